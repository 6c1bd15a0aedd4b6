"""Bounds and marginal log-likelihoods from log importance weights of a mixture.

All functions take `log_weights` (R, A, K): for repeat r, component a and particle k, a draw z of component a has
log w = log p(x, z) - log q_mix(z), where q_mix is the density of the whole mixture, and all draws are independent.
A draw that the target excludes has log w = -inf. Components weigh equally unless `component_weights` (A,) says
otherwise; those are the weights that q_mix was computed with.

Every standard error is that of the value printed beside it, from the spread of the draws (or repeats) themselves. Where
the importance weights have a heavy tail no such number can be trusted; see `evaluate.pareto`.
"""

from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.errors import InputError, NumericalError

# With fewer repeats than this, their spread says too little about its own size to be a standard error.
_FEWEST_REPEATS = 10


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number estimated from draws, in nats, with the standard error of that estimate (NaN where there is none)."""

    value: float
    standard_error: float


def as_log_weights(log_weights: torch.Tensor | np.ndarray) -> np.ndarray:
    """The weights as a (R, A, K) float64 array, checked.

    Raises:
        InputError: another number of axes, or an empty one.
        NumericalError: a weight is NaN or +inf, or all are zero.
    """
    if isinstance(log_weights, torch.Tensor):
        log_weights = log_weights.detach().cpu().numpy()
    array = np.asarray(log_weights, dtype=np.float64)
    if array.ndim != 3 or array.size == 0:
        raise InputError(f"log weights must have the shape (repeats, components, particles), not {array.shape}")
    bad = np.isnan(array) | (array == np.inf)
    if bad.any():
        repeat, component, particle = np.argwhere(bad)[0]
        raise NumericalError(
            f"{int(bad.sum())} of {array.size} log importance weights are NaN or +inf, the first in repeat {repeat}, "
            f"component {component}, particle {particle}: the model or the approximation gave no finite density there"
        )
    if not np.isfinite(array).any():
        raise NumericalError("every importance weight is zero: the approximation draws nothing that the target allows")
    return array


def as_component_weights(component_weights: np.ndarray | None, n_components: int) -> np.ndarray:
    """(A,) mixture weights, uniform if not given.

    Raises:
        InputError: another number of them, a negative one, or a sum that is not 1.
    """
    if component_weights is None:
        return np.full(n_components, 1.0 / n_components)
    weights = np.asarray(component_weights, dtype=np.float64)
    if weights.shape != (n_components,) or not (weights >= 0).all() or abs(weights.sum() - 1) > 1e-6:
        raise InputError(f"component weights must be {n_components} non-negative numbers that sum to 1, not {weights}")
    return weights


def elbo(log_weights: torch.Tensor | np.ndarray, component_weights: np.ndarray | None = None) -> Estimate:
    """ELBO(1) of the mixture: E_q[log w], the weighted mean over components of the mean of log w.

    -inf, without a standard error, as soon as one draw has weight zero.
    """
    return lower_bound(log_weights, 1, component_weights)


def lower_bound(
    log_weights: torch.Tensor | np.ndarray, n_particles: int = 10, component_weights: np.ndarray | None = None
) -> Estimate:
    """The importance weighted bound with `n_particles` draws (Burda et al. 2016): sum_a pi_a E[log mean of k weights].

    A component's draws, over all repeats, are cut into disjoint groups of `n_particles`; a last incomplete group is
    left out.

    Raises:
        InputError: `n_particles` is below 1, or larger than the number of draws of a component.
    """
    log_w = as_log_weights(log_weights)
    weights = as_component_weights(component_weights, log_w.shape[1])
    draws = np.moveaxis(log_w, 1, 0).reshape(log_w.shape[1], -1)
    n_groups = draws.shape[1] // n_particles if n_particles >= 1 else 0
    if n_groups == 0:
        raise InputError(f"a bound with {n_particles} particles cannot be estimated from {draws.shape[1]} draws")
    groups = draws[:, : n_groups * n_particles].reshape(len(draws), n_groups, n_particles)
    bounds = log_mean_exp(groups)
    used = weights > 0
    if not np.isfinite(bounds[used]).all():
        return Estimate(value=-np.inf, standard_error=np.nan)
    value = float(weights[used] @ bounds[used].mean(axis=1))
    return Estimate(value=value, standard_error=stratified_error(bounds[used], weights[used]))


def log_ml_published(
    log_weights: torch.Tensor | np.ndarray, component_weights: np.ndarray | None = None
) -> tuple[Estimate, float]:
    """The marginal log-likelihood as the VBPI papers report it, and its standard deviation over repeats.

    Per repeat sum_a pi_a log((1/K) sum_k w), then the mean over repeats. It is a lower bound in expectation that stays
    below log p(x) as components are added: only K closes the gap. Published tables print the standard deviation,
    not the standard error. The standard error is the spread over repeats where there are ten or more, else that of the
    delta method.

    Returns:
        The estimate, and the standard deviation over repeats (NaN for a single repeat).
    """
    log_w = as_log_weights(log_weights)
    weights = as_component_weights(component_weights, log_w.shape[1])
    used = weights > 0
    per_repeat = log_mean_exp(log_w[:, used]) @ weights[used]
    if not np.isfinite(per_repeat).all():
        return Estimate(value=-np.inf, standard_error=np.nan), np.nan
    n_repeats = len(log_w)
    deviation = float(per_repeat.std(ddof=1)) if n_repeats > 1 else np.nan
    if n_repeats >= _FEWEST_REPEATS:
        error = deviation / np.sqrt(n_repeats)
    else:  # Var[log mean w] = Var[w] / (K E[w]^2) for each component
        draws = np.moveaxis(log_w[:, used], 1, 0).reshape(int(used.sum()), -1)
        relative = np.exp(draws - log_mean_exp(draws)[:, None])
        error = stratified_error(relative, weights[used])
    return Estimate(value=float(per_repeat.mean()), standard_error=float(error)), deviation


def log_ml_pooled(log_weights: torch.Tensor | np.ndarray, component_weights: np.ndarray | None = None) -> Estimate:
    """The marginal log-likelihood from all draws at once: log sum_a pi_a (mean over repeats and particles of w).

    The mean of the weights is an unbiased estimate of p(x) (each component is a stratum of q_mix), so this value is
    consistent in the number of draws. Its standard error is that of the delta method,
    sqrt(sum_a pi_a^2 Var_a[w] / n_a) / mean, which agrees with the jackknife.
    """
    log_w = as_log_weights(log_weights)
    weights = as_component_weights(component_weights, log_w.shape[1])
    draws = np.moveaxis(log_w, 1, 0).reshape(log_w.shape[1], -1)
    shift = draws.max()
    scaled = np.exp(draws - shift)
    mean = float(weights @ scaled.mean(axis=1))
    if mean == 0:
        raise NumericalError("every draw of the components with positive weight has importance weight zero")
    return Estimate(value=float(np.log(mean) + shift), standard_error=stratified_error(scaled, weights) / mean)


def pooled_log_weights(
    log_weights: torch.Tensor | np.ndarray, component_weights: np.ndarray | None = None
) -> np.ndarray:
    """(R*A*K,) log weights of all draws as one sample of q_mix: log w + log(A pi_a)."""
    log_w = as_log_weights(log_weights)
    weights = as_component_weights(component_weights, log_w.shape[1])
    with np.errstate(divide="ignore"):
        shift = np.log(weights * len(weights))
    return (log_w + shift[None, :, None]).reshape(-1)


def effective_sample_size(log_weights: np.ndarray) -> float:
    """Kish's effective sample size (sum w)^2 / sum w^2 of log weights (n,), between 1 and n."""
    relative = np.exp(log_weights - log_weights.max())
    return float(relative.sum() ** 2 / (relative**2).sum())


def weighted_size(log_weights: torch.Tensor | np.ndarray, component_weights: np.ndarray) -> float:
    """Effective sample size of R * A * K draws of the weighted mixture, from equally many draws of each component.

    n (sum_a pi_a m_a)^2 / sum_a pi_a s_a with m_a and s_a the means of w and w^2 over the draws of component a:
    Kish's, if the draws followed the weights.
    """
    log_w = as_log_weights(log_weights)
    weights = as_component_weights(component_weights, log_w.shape[1])
    relative = np.exp(log_w - log_w.max())
    return float(log_w.size * (weights @ relative.mean(axis=(0, 2))) ** 2 / (weights @ (relative**2).mean(axis=(0, 2))))


def log_mean_exp(values: np.ndarray) -> np.ndarray:
    """The logarithm of the mean of exp(values) over the last axis; -inf where all values are."""
    largest = values.max(axis=-1)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - shift[..., None]).mean(axis=-1)) + shift


def stratified_error(samples: np.ndarray, weights: np.ndarray) -> float:
    """Standard error of sum_a weights[a] * (mean of row a) for independent samples (A, n); NaN for n = 1."""
    n = samples.shape[1]
    if n == 1:
        return np.nan
    return float(np.sqrt((weights**2 @ samples.var(axis=1, ddof=1)) / n))
