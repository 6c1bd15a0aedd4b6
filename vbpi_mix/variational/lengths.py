"""Branch lengths and parameters for drawn topologies, with their densities: of one mixture, or of several as one."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from vbpi_mix.branch import BranchModel
from vbpi_mix.branch.features import FeatureIds
from vbpi_mix.estimators import Pairs, per_density
from vbpi_mix.seeding import JoinedGenerators
from vbpi_mix.variational.parameter_posterior import ParameterDraws


class DrawsParameters(Protocol):
    """`ParameterPosterior` of one mixture, or `JoinedPosterior` of several."""

    def draw(self, component_of_tree: Tensor, components: Any, generator: Any, *, path: bool = False) -> ParameterDraws:
        """Draw the parameters of each tree."""
        ...

    def shift(self, split_ids: Any, whitened: Tensor) -> Tensor:
        """(T, E) what the parameters add to log lengths."""
        ...


@dataclass(frozen=True, kw_only=True)
class EdgeIds:
    """Numbers that the edges of T trees have in the tables of the branch model.

    Arguments:
        features: (T, E, n), see `branch.features.FeatureIds`.
        splits: (T, E), of the same kind.
    """

    features: FeatureIds
    splits: FeatureIds


@dataclass(frozen=True, kw_only=True)
class LengthDraws:
    """Branch lengths and parameters of T trees.

    Arguments:
        log_lengths: (T, E) log branch lengths.
        log_q: (M, T) log-density of topology, lengths and parameters, or (Q,) of pairs.
        parameters: (T, d) coordinates; d may be 0.
    """

    log_lengths: Tensor
    log_q: Tensor
    parameters: Tensor


def draw_lengths(
    branches: BranchModel,
    posterior: DrawsParameters | None,
    log_q_topology: Tensor,
    ids: EdgeIds,
    *,
    of_branches: tuple[Tensor, Tensor | Pairs],
    of_parameters: tuple[Tensor, Tensor | Pairs] | None,
    source: torch.Generator | JoinedGenerators,
    path: bool = False,
) -> LengthDraws:
    """Draw lengths, and parameters if there are any; add their log densities to those of the topologies.

    Arguments:
        branches: the branch model.
        posterior: the distributions of the parameters, or None.
        log_q_topology: (M, T) log-probabilities of the topologies, or (Q,) of pairs.
        ids: numbers of the edges.
        of_branches: (T,) component that each tree is drawn from, and the evaluated components, as the branch model
            counts them.
        of_parameters: the same as the posterior counts them.
        source: generator of the draws, or `JoinedGenerators`.
        path: see `BranchModel.draw`.
    """
    drawn = branches.draw(ids.features, *of_branches, source, path=path)
    log_lengths, log_q = drawn.log_lengths, log_q_topology + drawn.log_q
    parameters = log_lengths.new_empty(len(log_lengths), 0)
    if posterior is not None:
        assert of_parameters is not None
        found = posterior.draw(*of_parameters, source, path=path)
        shift = posterior.shift(ids.splits, found.whitened)
        # the density of the lengths is that before the shift, but for the Jacobian of the exponential
        log_lengths, parameters = log_lengths + shift, found.coordinates
        log_q = log_q + found.log_q - per_density(shift.sum(dim=1), of_parameters[1])
    return LengthDraws(log_lengths=log_lengths, log_q=log_q, parameters=parameters)
