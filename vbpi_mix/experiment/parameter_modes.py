"""Parameters of a run's substitution model: summaries that need no trees in memory, their modes, the model at one."""

import numpy as np
import torch

from vbpi_mix.evaluate.diagnostics.parameters import ModeCoverage
from vbpi_mix.evaluate.sampling import WeightedTrees, draw_weighted
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.posterior.parameter_summary import TREE_LENGTH, ParameterSummary, summarise_columns
from vbpi_mix.posterior.sampling import parameter_values
from vbpi_mix.start import find_modes
from vbpi_mix.threads import torch_threads
from vbpi_mix.variational import PhyloProblem

_DRAWS_FOR_MEAN = 500  # of each component


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
        self._log_weights.append(batch.mixture_log_weights(self._problem.mixture.log_strata).numpy())

    def summary(self) -> ParameterSummary:
        """Summary over all batches."""
        log_weights = np.concatenate(self._log_weights)
        weights = np.exp(log_weights - log_weights.max())
        names = (TREE_LENGTH, *self._problem.model.parameters.names)
        return summarise_columns(names, np.concatenate(self._values), weights / weights.sum())


def model_at_mode(problem: PhyloProblem, generator: torch.Generator) -> PhyloModel:
    """The model, what it infers fixed at the posterior mean of its coordinates within the heaviest component.

    The mean over all components would lie between the modes where the parameters have several.

    Arguments:
        problem: target and mixture.
        generator: source of the draws that weigh the components.
    """
    if not problem.model.parameters.n_coordinates:
        return problem.model
    with torch.no_grad(), torch_threads(1):
        batch = draw_weighted(problem, _DRAWS_FOR_MEAN, generator)
        log_weights = batch.mixture_log_weights(problem.mixture.log_strata)
        weights = torch.softmax(log_weights, dim=0).reshape(problem.n_components, -1)  # draws of a component together
        heaviest = int(weights.sum(dim=1).argmax())
        coordinates = batch.trees.parameters.reshape(problem.n_components, _DRAWS_FOR_MEAN, -1)[heaviest]
        return problem.model.at(weights[heaviest] @ coordinates / weights[heaviest].sum())


def parameter_modes(problem: PhyloProblem, topology: TopologyBatch, branch_lengths: np.ndarray) -> ModeCoverage:
    """Modes of the parameters' posterior on a topology, and whether the mixture covers them.

    Arguments:
        problem: target and mixture, with parameters.
        topology: a single one, the most probable.
        branch_lengths: (E,) that searches start from.
    """
    modes = find_modes(problem.model, topology, np.log(branch_lengths))
    log_weights = np.array([mode.log_weight for mode in modes])
    shares = np.exp(log_weights - np.logaddexp.reduce(log_weights))
    centres = torch.from_numpy(np.stack([mode.centre for mode in modes]))
    log_determinants = np.array([np.linalg.slogdet(2 * np.pi * mode.covariance)[1] for mode in modes])
    with torch.no_grad():
        density = problem.mixture.parameter_log_prob(centres).numpy()
        values = problem.model.parameters.values(centres).numpy()
    return ModeCoverage(
        names=problem.model.parameters.names,
        values=values,
        shares=shares,
        log_ratios=density - (np.log(shares) - 0.5 * log_determinants),
    )
