"""A weighted sample of the posterior with its summaries, each computed once."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.evaluate import Evaluation, evaluate_log_weights
from vbpi_mix.evaluate.annealing import AnnealingEvaluation
from vbpi_mix.posterior.consensus import ConsensusTree, consensus_tree
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.parameter_summary import ParameterSummary, summarise_parameters
from vbpi_mix.posterior.summaries import SplitSummary, TopologySummary, summarise_splits, summarise_topologies


@dataclass(frozen=True, kw_only=True)
class WeightedSample:
    """Trees that follow the posterior by their weights, and the draws for bounds and marginal likelihood.

    The two are the same draws where the components of the mixture weigh the same. Where they do not, the trees are
    drawn in proportion to the components' weights, and the draws for the marginal likelihood as often from each
    component. Trees that come from elsewhere, equally weighted ones included, need no such draws.

    Arguments:
        draws: weighted trees.
        log_weights: (R, A, K) log importance weights of draws of each component, see `evaluate.estimates`; None where
            only trees are known.
        component_weights: (A,) weights of the mixture's components, uniform if not given.
        annealing: result of annealing, where the trees come from there; the log weights are the mixture's all the same,
            for its bounds.
    """

    draws: PosteriorDraws
    log_weights: np.ndarray | None = None
    component_weights: np.ndarray | None = None
    annealing: AnnealingEvaluation | None = None

    @cached_property
    def evaluation(self) -> Evaluation:
        """Bounds, marginal log-likelihood and effective sample size.

        Raises:
            InputError: the sample has no draws for the marginal likelihood.
        """
        if self.log_weights is None:
            raise InputError("a sample of trees without importance weights of the mixture has no marginal likelihood")
        return replace(evaluate_log_weights(self.log_weights, self.component_weights), annealing=self.annealing)

    @cached_property
    def weights(self) -> np.ndarray:
        """(T,) importance weights of the trees that sum to 1."""
        return self.draws.weights()

    @cached_property
    def splits(self) -> SplitSummary:
        """All splits of the trees."""
        return summarise_splits(self.draws)

    @cached_property
    def topologies(self) -> TopologySummary:
        """The topologies of the trees, most probable first."""
        return summarise_topologies(self.draws)

    @cached_property
    def consensus(self) -> ConsensusTree:
        """The majority-rule consensus."""
        return consensus_tree(self.splits)

    @cached_property
    def parameters(self) -> ParameterSummary:
        """Tree length and parameters of the substitution model."""
        return summarise_parameters(self.draws)
