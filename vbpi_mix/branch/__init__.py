"""q(branch lengths | topology): a log-normal base on split and PSP features, and flows after it."""

from vbpi_mix.branch.base import LogNormalBase
from vbpi_mix.branch.branch_model import BranchDraws, BranchModel
from vbpi_mix.branch.flows import FLOWS, Flow, IdentityFlow, check_flow, flow_sizes, make_flow
from vbpi_mix.branch.frame import Framed
from vbpi_mix.branch.planar import Planar
from vbpi_mix.branch.realnvp import RealNVP
from vbpi_mix.branch.skew import Skew

__all__ = [
    "FLOWS",
    "BranchDraws",
    "BranchModel",
    "Flow",
    "Framed",
    "IdentityFlow",
    "LogNormalBase",
    "Planar",
    "RealNVP",
    "Skew",
    "check_flow",
    "flow_sizes",
    "make_flow",
]
