"""Evaluation of annealing, as numbers that diagnostics judge."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vbpi_mix.anneal.convergence import Convergence
from vbpi_mix.anneal.result import AnnealedPosterior
from vbpi_mix.evaluate.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class AnnealingEvaluation:
    """The numbers of an annealed posterior.

    Arguments:
        log_ml: Log marginal likelihood; its standard error is from the spread of independent groups.
        n_trees: Equally weighted trees.
        effective_size: Number of independent trees that they are worth, by the slowest of log joint, tree length and
            parameters.
        n_groups: Independent groups of particles; none where only chains have been run.
        bridged: Whether as many groups went the other way, and the marginal likelihood comes from both.
        n_particles: Particles of a group.
        n_temperatures: Temperatures from the reference to the posterior.
        ancestors_left: Share of the first particles with descendants at the end, mean over groups.
        convergence: Agreement of the two sides, or of groups of one.
        converged: Whether it is as good as was asked for.
        both_sides: Whether some trees come from chains that began at candidate topologies.
    """

    log_ml: Estimate
    n_trees: int
    effective_size: float
    n_groups: int
    bridged: bool
    n_particles: int
    n_temperatures: int
    ancestors_left: float
    convergence: Convergence
    converged: bool
    both_sides: bool

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "log_ml": self.log_ml.value if math.isfinite(self.log_ml.value) else None,
            "log_ml_se": self.log_ml.standard_error if math.isfinite(self.log_ml.standard_error) else None,
            "n_trees": self.n_trees,
            "effective_size": self.effective_size,
            "n_groups": self.n_groups,
            "bridged": self.bridged,
            "n_particles": self.n_particles,
            "n_temperatures": self.n_temperatures,
            "ancestors_left": self.ancestors_left if math.isfinite(self.ancestors_left) else None,
            "both_sides": self.both_sides,
            "converged": self.converged,
            "convergence": self.convergence.to_dict(),
        }


def evaluate_annealing(posterior: AnnealedPosterior) -> AnnealingEvaluation:
    """Sum up an annealed posterior."""
    value, error = posterior.log_ml
    size = posterior.convergence.effective_size
    return AnnealingEvaluation(
        log_ml=Estimate(value=value, standard_error=error),
        n_trees=len(posterior.particles),
        effective_size=size if math.isfinite(size) else float(len(posterior.particles)),
        n_groups=len(posterior.group_log_ml),
        bridged=posterior.bridged,
        n_particles=posterior.n_particles,
        n_temperatures=len(posterior.betas),
        ancestors_left=float(np.mean(posterior.n_ancestors)) / posterior.n_particles
        if posterior.group_log_ml
        else math.nan,
        convergence=posterior.convergence,
        converged=posterior.converged,
        both_sides=posterior.both_sides,
    )
