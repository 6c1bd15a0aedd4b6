"""q(branch lengths | topology): a log-normal base on split and PSP features, and flows shared by the components."""

from vbpi_mix.branch.base import LogNormalBase
from vbpi_mix.branch.branch_model import BranchDraws, BranchModel
from vbpi_mix.branch.flows import FLOWS, Flow, IdentityFlow, make_flow
from vbpi_mix.branch.planar import Planar
from vbpi_mix.branch.realnvp import RealNVP

__all__ = [
    "FLOWS",
    "BranchDraws",
    "BranchModel",
    "Flow",
    "IdentityFlow",
    "LogNormalBase",
    "Planar",
    "RealNVP",
    "make_flow",
]
