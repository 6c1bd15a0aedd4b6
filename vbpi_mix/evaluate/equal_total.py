"""The marginal log-likelihood from a number of samples that does not grow with the number of components."""

from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.errors import InputError
from vbpi_mix.evaluate.estimates import Estimate, as_component_weights, as_log_weights, log_mean_exp, log_ml_pooled


@dataclass(frozen=True, kw_only=True)
class EqualTotal:
    """Pooled estimates from the same total of samples for every mixture, in nats.

    Arguments:
        per_repeat: mean over repeats of the pooled log mean weight of one repeat; a lower bound in expectation.
        deviation: standard deviation over repeats of the same: what one estimate from so many samples scatters by.
        pooled: estimate from the samples of all repeats at once.
        n_samples: samples in a repeat.
    """

    per_repeat: Estimate
    deviation: float
    pooled: Estimate
    n_samples: int


def log_ml_equal_total(
    log_weights: torch.Tensor | np.ndarray,
    component_weights: np.ndarray | None = None,
    *,
    n_total: int | None = None,
) -> EqualTotal:
    """Estimates from the first n_total // A draws of each component and repeat, log sum_a pi_a (mean of w).

    The published form takes K samples from each component, so A times as many from a mixture of A: its standard
    deviation falls with A even if all components are alike. Here the total is the same whatever A is (up to the
    remainder of the division).

    Arguments:
        log_weights: (R, A, K), see `evaluate.estimates`.
        component_weights: (A,) weights of the mixture, uniform if not given.
        n_total: samples in a repeat, K if not given.

    Raises:
        InputError: fewer than two repeats, or a total of fewer samples than components or of more than there are.
    """
    log_w = as_log_weights(log_weights)
    n_repeats, n_components, n_particles = log_w.shape
    weights = as_component_weights(component_weights, n_components)
    each = (n_particles if n_total is None else n_total) // n_components
    if n_repeats < 2 or not 1 <= each <= n_particles:
        raise InputError(
            f"equal totals need two repeats and 1 to {n_particles} draws of each component, not {n_repeats} and {each}"
        )
    used = log_w[:, :, :each]
    with np.errstate(divide="ignore"):
        terms = log_mean_exp(used) + np.log(weights)
    per_repeat = np.logaddexp.reduce(terms, axis=1)
    deviation = float(per_repeat.std(ddof=1))
    return EqualTotal(
        per_repeat=Estimate(value=float(per_repeat.mean()), standard_error=deviation / n_repeats**0.5),
        deviation=deviation,
        pooled=log_ml_pooled(used, component_weights),
        n_samples=each * n_components,
    )
