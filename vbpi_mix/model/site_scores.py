"""Log-likelihoods of site patterns one by one."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.felsenstein.checks import check_inputs, check_lengths
from vbpi_mix.felsenstein.cpu.sites import site_log_likelihoods as fill
from vbpi_mix.felsenstein.cpu.sites import wide_site_log_likelihoods
from vbpi_mix.model.ascertainment import log_variable
from vbpi_mix.model.parameter_space import ModelFamily
from vbpi_mix.model.part import Part
from vbpi_mix.model.phylo_model import PhyloModel
from vbpi_mix.model.substitution import SubstitutionModel
from vbpi_mix.phylo import TopologyBatch

_TREES_AT_ONCE = 256


@torch.no_grad()
def site_log_likelihoods(
    model: PhyloModel, branch_lengths: np.ndarray, topologies: TopologyBatch, coordinates: np.ndarray | None = None
) -> np.ndarray:
    """(T, P) log p(pattern | tree); times `model.pattern_weights` and summed they give the log-likelihood.

    Arguments:
        model: P patterns of all its parts; under JC69 patterns that are equal up to a relabelling of states are one.
        branch_lengths: (T, E) expected substitutions per site.
        topologies: T topologies.
        coordinates: (T, d) of the parameters, where there are any.

    Raises:
        ConfigError: parameters without coordinates.
        InputError: shapes that do not fit.
        NumericalError: a branch length that is negative or not finite.
    """
    lengths = torch.from_numpy(np.array(branch_lengths, dtype=np.float64))
    space = model.parameters
    if coordinates is None and space.n_coordinates:
        raise ConfigError(f"the model has {space.n_coordinates} parameters: give their coordinates")
    at = torch.empty(len(lengths), 0, dtype=torch.float64) if coordinates is None else torch.from_numpy(coordinates)
    rates = space.multipliers(at) if space.n_coordinates else None
    return np.concatenate(
        [
            _of_part(
                part,
                lengths * part.rate if rates is None else lengths * rates[:, i, None],
                topologies,
                space.of_part(i, at) if space.n_coordinates else at,
            )
            for i, part in enumerate(model.parts)
        ],
        axis=1,
    )


def _of_part(part: Part, lengths: Tensor, topologies: TopologyBatch, coordinates: Tensor) -> np.ndarray:
    if part.ascertained:
        plain = replace(part, ascertained=False)
        parts = [replace(constant, rate=1.0) for constant in part.constant_parts]
        constant = [torch.from_numpy(_of_part(one, lengths, topologies, coordinates)[:, 0]) for one in parts]
        every = log_variable(constant, part.patterns.n_states).numpy()
        return _of_part(plain, lengths, topologies, coordinates) - every[:, None]
    check_inputs(topologies, part.patterns)
    check_lengths(lengths, topologies)
    out = np.empty((topologies.n_trees, part.patterns.n_patterns))
    model = part.model
    if isinstance(model, ModelFamily):  # a model for each tree
        for t in range(topologies.n_trees):
            _fill(part, model.at(coordinates[t]), lengths, topologies, slice(t, t + 1), out)
        return out
    for first in range(0, topologies.n_trees, _TREES_AT_ONCE):
        _fill(part, model, lengths, topologies, slice(first, first + _TREES_AT_ONCE), out)
    return out


def _fill(
    part: Part, model: SubstitutionModel, lengths: Tensor, topologies: TopologyBatch, trees: slice, out: np.ndarray
) -> None:
    n_states, sets = part.patterns.n_states, part.patterns.state_sets
    (fill if n_states == 4 else wide_site_log_likelihoods)(
        model.transition_matrices(lengths[trees]).contiguous().numpy(),
        np.ascontiguousarray(model.root_frequencies().numpy()),
        np.ascontiguousarray(model.category_weights().numpy()),
        np.ascontiguousarray(topologies.children[trees]),
        sets if n_states == 4 else sets.astype(np.int64),
        out[trees],
    )
