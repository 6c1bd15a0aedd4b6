"""Parameters of a run's substitution model: summaries that need no trees in memory, and the model at their mean."""

import numpy as np
import torch

from vbpi_mix.evaluate.sampling import WeightedTrees, draw_weighted
from vbpi_mix.experiment.build import EVALUATE_STREAM
from vbpi_mix.experiment.run import Run
from vbpi_mix.model import PhyloModel
from vbpi_mix.posterior.parameter_summary import TREE_LENGTH, ParameterSummary, summarise_columns
from vbpi_mix.posterior.sampling import parameter_values
from vbpi_mix.seeding import torch_generator
from vbpi_mix.train import torch_threads
from vbpi_mix.variational import PhyloProblem

_DRAWS_FOR_MEAN = 1000  # of each component


class ParameterCollector:
    """Tree lengths and parameters of batches that `Run.evaluate` draws, as many of each component.

    Arguments:
        problem: target and mixture.
    """

    def __init__(self, problem: PhyloProblem) -> None:
        self._problem = problem
        self._values: list[np.ndarray] = []
        self._log_weights: list[np.ndarray] = []

    def add(self, batch: WeightedTrees) -> None:
        """Keep what is needed of a batch."""
        total = batch.trees.log_lengths.exp().sum(dim=1).numpy()
        self._values.append(np.column_stack([total, parameter_values(self._problem, batch.trees)]))
        strata = self._problem.mixture.log_strata[batch.trees.component_of_tree]
        self._log_weights.append((batch.log_weights + strata).numpy())

    def summary(self) -> ParameterSummary:
        """Of all batches."""
        log_weights = np.concatenate(self._log_weights)
        weights = np.exp(log_weights - log_weights.max())
        names = (TREE_LENGTH, *self._problem.model.parameters.names)
        return summarise_columns(names, np.concatenate(self._values), weights / weights.sum())


def model_at_mean(run: Run) -> PhyloModel:
    """The run's model, what it infers fixed at the posterior mean of its coordinates."""
    problem = run.problem
    if not problem.model.parameters.n_coordinates:
        return problem.model
    generator = torch_generator(run.config.seed, stream=EVALUATE_STREAM)
    with torch.no_grad(), torch_threads(1):
        batch = draw_weighted(problem, _DRAWS_FOR_MEAN, generator)
        log_weights = batch.log_weights + problem.mixture.log_strata[batch.trees.component_of_tree]
        return problem.model.at(torch.softmax(log_weights, dim=0) @ batch.trees.parameters)
