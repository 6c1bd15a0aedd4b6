"""From candidate topologies to weights: lengths optimised, then integrated out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch, TreeSample
from vbpi_mix.start.laplace import LaplaceWeights, laplace_weights
from vbpi_mix.start.lengths import OptimisedLengths, optimise_lengths

_GIVE_UP = 25.0  # nats below the best, beyond which a topology's weight does not matter


@dataclass(frozen=True, kw_only=True)
class SampledTrees:
    """T equally weighted trees that a start was made from.

    Arguments:
        topologies: T of them.
        log_lengths: (T, E).
        coordinates: (T, d) of the model's parameters; d may be 0.
    """

    topologies: TopologyBatch
    log_lengths: np.ndarray
    coordinates: np.ndarray


@dataclass(frozen=True, kw_only=True)
class WeightedTopologies:
    """Candidate topologies with approximate posterior probabilities.

    Arguments:
        sample: the topologies; `sample.weights` are their probabilities.
        modes: optimised branch lengths, in the order of the sample.
        laplace: approximate log evidences and second derivatives, in the same order.
        coordinates: (d,) of the model's parameters, under which all this holds; None if all of them are fixed.
        trees: the sample that the weights are frequencies in, where that is how they came about.
    """

    sample: TreeSample
    modes: OptimisedLengths
    laplace: LaplaceWeights
    coordinates: np.ndarray | None = None
    trees: SampledTrees | None = None

    @property
    def effective_number(self) -> float:
        """exp(entropy) of the probabilities."""
        p = self.sample.probabilities()
        return float(np.exp(-(p * np.log(np.maximum(p, 1e-300))).sum()))


def weigh_topologies(
    model: PhyloModel,
    candidates: TreeSample,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> WeightedTopologies:
    """Approximate posterior probabilities of candidate topologies, whatever the frequencies they came with.

    The candidates' own weights are not used: bootstrap frequencies are far from a posterior.

    Arguments:
        model: likelihood and priors.
        candidates: distinct topologies.
        on_progress: called with (topologies done, their number).
    """
    modes = optimise_lengths(model, candidates.topologies, give_up=_GIVE_UP, on_progress=on_progress)
    laplace = laplace_weights(model, candidates.topologies, modes)
    return weighted_topologies(candidates.taxa, candidates.topologies, modes, laplace, laplace.log_weight)


def weighted_topologies(
    taxa: tuple[str, ...],
    topologies: TopologyBatch,
    modes: OptimisedLengths,
    laplace: LaplaceWeights,
    log_weight: np.ndarray,
) -> WeightedTopologies:
    """Distinct topologies, heaviest first, with probabilities in proportion to exp(log_weight)."""
    relative = np.exp(log_weight - log_weight.max())
    order = np.argsort(-relative, kind="stable")
    probabilities = np.maximum(relative / relative.sum(), np.finfo(np.float64).tiny)
    return WeightedTopologies(
        sample=TreeSample(taxa=taxa, topologies=topologies[order], weights=probabilities[order]),
        modes=modes.take(order),
        laplace=laplace.take(order),
    )
