"""Mixture bounds and their gradient estimators on plain tensors: one implementation for every problem."""

from vbpi_mix.estimators.bounds import (
    effective_sample_size,
    miselbo,
    mixture_log_prob,
    normalised_log_weights,
    outer_weights,
)
from vbpi_mix.estimators.joint import (
    JointLayout,
    JointObjective,
    JointProblem,
    JointSurrogate,
    Pairs,
    per_density,
)
from vbpi_mix.estimators.objective import Objective, Surrogate
from vbpi_mix.estimators.plan import ComponentPlan, Estimator, all_components, draw_plan, plan_of_subset
from vbpi_mix.estimators.terms import MixtureProblem, ParticleTerms
from vbpi_mix.estimators.vimco import learning_signals, leave_one_out_bounds, vimco

__all__ = [
    "ComponentPlan",
    "Estimator",
    "JointLayout",
    "JointObjective",
    "JointProblem",
    "JointSurrogate",
    "MixtureProblem",
    "Objective",
    "Pairs",
    "ParticleTerms",
    "Surrogate",
    "all_components",
    "draw_plan",
    "effective_sample_size",
    "learning_signals",
    "leave_one_out_bounds",
    "miselbo",
    "mixture_log_prob",
    "normalised_log_weights",
    "outer_weights",
    "per_density",
    "plan_of_subset",
    "vimco",
]
