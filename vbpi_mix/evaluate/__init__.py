"""Bounds, marginal log-likelihoods and the quality of importance weights."""

from vbpi_mix.evaluate.component_weights import LearnedWeights, WeightFit, choose_weights, learn_weights, weight_gain
from vbpi_mix.evaluate.estimates import (
    Estimate,
    effective_sample_size,
    elbo,
    log_ml_pooled,
    log_ml_published,
    lower_bound,
)
from vbpi_mix.evaluate.evaluation import Evaluation, evaluate_log_weights
from vbpi_mix.evaluate.pareto import ParetoTail, pareto_smooth, pareto_tail

__all__ = [
    "Estimate",
    "Evaluation",
    "LearnedWeights",
    "ParetoTail",
    "WeightFit",
    "choose_weights",
    "effective_sample_size",
    "elbo",
    "evaluate_log_weights",
    "learn_weights",
    "log_ml_pooled",
    "log_ml_published",
    "lower_bound",
    "pareto_smooth",
    "pareto_tail",
    "weight_gain",
]
