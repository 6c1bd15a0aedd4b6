"""From candidate topologies to weights: lengths optimised, then integrated out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TreeSample
from vbpi_mix.start.laplace import LaplaceWeights, laplace_weights
from vbpi_mix.start.lengths import OptimisedLengths, optimise_lengths


@dataclass(frozen=True, kw_only=True)
class WeightedTopologies:
    """Candidate topologies with approximate posterior probabilities.

    Arguments:
        sample: the topologies; `sample.weights` are their probabilities.
        modes: optimised branch lengths, in the order of the sample.
        laplace: approximate log evidences and second derivatives, in the same order.
    """

    sample: TreeSample
    modes: OptimisedLengths
    laplace: LaplaceWeights

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
    modes = optimise_lengths(model, candidates.topologies, on_progress=on_progress)
    laplace = laplace_weights(model, candidates.topologies, modes)
    relative = np.exp(laplace.log_weight - laplace.log_weight.max())
    order = np.argsort(-relative, kind="stable")
    probabilities = np.maximum(relative / relative.sum(), np.finfo(np.float64).tiny)
    return WeightedTopologies(
        sample=TreeSample(taxa=candidates.taxa, topologies=candidates.topologies[order], weights=probabilities[order]),
        modes=OptimisedLengths(
            log_lengths=modes.log_lengths[order],
            log_density=modes.log_density[order],
            gradient_norm=modes.gradient_norm[order],
        ),
        laplace=LaplaceWeights(
            log_weight=laplace.log_weight[order],
            log_precision=laplace.log_precision[order],
            exact_hessian=laplace.exact_hessian[order],
        ),
    )
