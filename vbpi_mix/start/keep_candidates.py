"""Candidates that growth left out, put back: topologies that a user gave stay representable."""

from dataclasses import replace

import numpy as np

from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch, TreeSample
from vbpi_mix.start.laplace import LaplaceWeights, counted_correction
from vbpi_mix.start.length_memory import length_memory
from vbpi_mix.start.lengths import OptimisedLengths, optimise_lengths
from vbpi_mix.start.weights import WeightedTopologies

_GIVE_UP = 25.0  # nats below the best, beyond which lengths need not be optimised to the end


def with_candidates(model: PhyloModel, weighted: WeightedTopologies, candidates: TreeSample) -> WeightedTopologies:
    """Weighted topologies and those candidates that are not among them, with the weights that Laplace's method gives.

    Growth leaves out topologies of negligible weight, so the ones that come back add nothing to any probability; a
    support built from the result can represent them, and the branch model knows lengths of their splits.

    Arguments:
        model: likelihood and priors that the weights were computed under.
        weighted: topologies that growth kept, with weights.
        candidates: topologies to have in the result; their own weights are not used.
    """
    known = {row.tobytes() for row in weighted.sample.topologies.children}
    lost = np.array([row.tobytes() not in known for row in candidates.topologies.children])
    if not lost.any():
        return weighted
    more = candidates.topologies[lost]
    modes = weighted.modes
    memory = length_memory(weighted.sample.topologies, modes.log_lengths, modes.log_density)
    found = optimise_lengths(
        model, more, start=memory.lengths(more), give_up=_GIVE_UP, best=float(modes.log_density.max())
    )
    counted = counted_correction(model, found.log_lengths)
    offset = (weighted.laplace.log_weight - modes.log_density - counted_correction(model, modes.log_lengths)).mean()
    log_weight = found.log_density + counted + offset
    # probability per evidence; where topologies stand for others that were not drawn it is larger
    scale = (np.log(weighted.sample.weights) - weighted.laplace.log_weight).min()
    weights = np.exp(np.clip(log_weight + scale, np.log(np.finfo(np.float64).tiny), 0.0))
    unknown = np.full_like(found.log_lengths, np.nan)
    children = np.concatenate([weighted.sample.topologies.children, more.children])
    total = np.concatenate([weighted.sample.weights, weights])
    order = np.argsort(-total, kind="stable")
    return WeightedTopologies(
        sample=replace(weighted.sample, topologies=TopologyBatch(children)[order], weights=total[order] / total.sum()),
        modes=OptimisedLengths(
            log_lengths=np.concatenate([modes.log_lengths, found.log_lengths]),
            log_density=np.concatenate([modes.log_density, found.log_density]),
            remaining_gain=np.concatenate([modes.remaining_gain, found.remaining_gain]),
            n_evaluations=modes.n_evaluations + found.n_evaluations,
        ).take(order),
        laplace=LaplaceWeights(
            log_weight=np.concatenate([weighted.laplace.log_weight, log_weight]),
            log_precision=np.concatenate([weighted.laplace.log_precision, unknown]),
            exact_hessian=np.concatenate([weighted.laplace.exact_hessian, np.zeros(len(weights), dtype=bool)]),
        ).take(order),
        coordinates=weighted.coordinates,
    )
