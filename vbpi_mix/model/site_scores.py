"""Log-likelihoods of site patterns one by one."""

import numpy as np
import torch

from vbpi_mix.felsenstein.checks import check_inputs, check_lengths
from vbpi_mix.felsenstein.site_kernels import site_log_likelihoods as fill
from vbpi_mix.model.phylo_model import PhyloModel
from vbpi_mix.phylo import TopologyBatch

_TREES_AT_ONCE = 256


@torch.no_grad()
def site_log_likelihoods(model: PhyloModel, branch_lengths: np.ndarray, topologies: TopologyBatch) -> np.ndarray:
    """(T, P) log p(pattern | tree); times `model.patterns.weights` and summed they give the log-likelihood.

    Arguments:
        model: P of its patterns; under JC69 patterns that are equal up to a relabelling of states are one.
        branch_lengths: (T, E) expected substitutions per site.
        topologies: T topologies.

    Raises:
        InputError: shapes that do not fit.
        NumericalError: a branch length that is negative or not finite.
    """
    lengths = torch.from_numpy(np.array(branch_lengths, dtype=np.float64))
    check_inputs(topologies, model.patterns)
    check_lengths(lengths, topologies)
    substitution = model.substitution_model
    out = np.empty((topologies.n_trees, model.patterns.state_sets.shape[1]))
    for first in range(0, topologies.n_trees, _TREES_AT_ONCE):
        part = slice(first, first + _TREES_AT_ONCE)
        fill(
            substitution.transition_matrices(lengths[part]).contiguous().numpy(),
            substitution.root_frequencies().numpy(),
            substitution.category_weights().numpy(),
            np.ascontiguousarray(topologies.children[part]),
            model.patterns.state_sets,
            out[part],
        )
    return out
