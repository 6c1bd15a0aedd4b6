"""Weights of a mixture's components, found after training with everything else held fixed.

What is maximised is the bound of Hotti et al. (2024), Theorem B.1, with K particles (Theorem 4.3 and Eq. 23 for K = 1)
of the mixture q_w = sum_a w_a q_a:

    L(w) = sum_a w_a E_{z_1..K ~ q_a}[log mean_k p(x, z_k) / q_w(z_k)].

One particle: L(w) = log p(x) - KL(q_w || p(z | x)) is concave in w. Eq. 23 takes the mean of component a over draws of
a alone. Here every mean is over the draws of all components, which weigh q_a / q_1 with q_1 the equal mixture that
they come from together (the balance heuristic of Veach and Guibas 1995):

    L(w) = E_{q_1}[s (h - log s)],   s = q_w / q_1 = sum_a w_a r_a,   r_a = q_a / q_1,   h = log p(x, z) - log q_1(z).

The expectation is the same for any weights, overlapping components share their draws, and on any set of draws the
mean is itself concave in w, which Eq. 23 on a set of draws need not be. Since E[s] = 1, a constant may be taken from h
and added to the mean: log p(x, z) is in the thousands, and without that the sampling error of E[s] would drown L(w).

More particles: neither concavity nor the sharing of draws carries over, so the means are those of the theorem, over
groups of K draws of one component. But it is the bound that training maximises, and one particle asks for something
else: it charges every bad draw in full, although importance weights make such draws nearly harmless. Where the
components are badly trained it gives up those with a few very bad draws, and with them part of the posterior.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.evaluate.estimates import Estimate, log_mean_exp, stratified_error

TOLERANCE = 1e-5  # nats that the bound may stay below its largest value; held-out draws tell ten times that at best
_MOST_STEPS = 10_000
_LARGEST_CUT = 30.0  # natural log of the most that a weight may lose in a step
_SMALLEST_FACTOR = 1e-9
_ERRORS = 2.0  # standard errors that a gain must exceed

_Bound = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class WeightFit:
    """Weights that maximise the bound on a set of draws.

    Arguments:
        weights: (A,) positive, sum 1.
        bound: L(w) on these draws, nats.
        uniform_bound: the same with equal weights; never above `bound`.
        gap: the largest slope of the bound towards a single component: 0 where it is stationary. With one particle
            no weights have a bound on these draws that is higher by more.
        n_steps: steps taken.
    """

    weights: np.ndarray
    bound: float
    uniform_bound: float
    gap: float
    n_steps: int


@dataclass(frozen=True, kw_only=True)
class LearnedWeights:
    """Weights found on some draws and judged on others.

    Arguments:
        weights: (A,) that were found.
        n_particles: K of the bound.
        gain: L(weights) - L(equal weights) on the held-out draws, nats, with its standard error.
        kept: whether the gain exceeds two standard errors; if not, equal weights are as good.
    """

    weights: np.ndarray
    n_particles: int
    gain: Estimate
    kept: bool

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, and for a checkpoint."""
        return {
            "weights": self.weights.tolist(),
            "n_particles": self.n_particles,
            "gain": self.gain.value,
            "gain_se": self.gain.standard_error,
            "kept": self.kept,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LearnedWeights":
        """Inverse of `to_dict`."""
        return cls(
            weights=np.array(values["weights"], dtype=np.float64),
            n_particles=values["n_particles"],
            gain=Estimate(value=values["gain"], standard_error=values["gain_se"]),
            kept=values["kept"],
        )

    def describe(self) -> str:
        """One line for people."""
        if len(self.weights) == 1:
            return "1: a single component"
        listed = ", ".join(f"{w:.3f}" for w in self.weights.tolist())
        bound = f"bound with {self.n_particles} samples" if self.n_particles > 1 else "ELBO"
        gain = f"{self.gain.value:+.4f} +- {self.gain.standard_error:.4f} nats on held-out draws"
        verdict = "kept" if self.kept else "no gain beyond two standard errors: equal weights stay"
        return f"{listed}: {bound} {gain}; {verdict}"


def learn_weights(
    log_joint: torch.Tensor | np.ndarray,
    log_q: torch.Tensor | np.ndarray,
    *,
    n_particles: int = 1,
    tolerance: float = TOLERANCE,
) -> WeightFit:
    """The weights that maximise the bound on given draws, from equal ones on.

    A step is w_a <- w_a exp(t g_a), normalised, with g the gradient (mirror ascent on the simplex). It is taken if the
    bound does not fall; t is doubled after a step that was taken, and divided by four after one that was not. With
    one particle any t up to 1 / rho, rho the largest mean of r_a, is sure to be taken: by the log-sum inequality L(w')
    is at least L(w) + g (w' - w) - rho KL(w' || w), which such a step raises. Longer ones save most of the work where
    components overlap. Weights stay positive, nothing needs tuning, and in directions that hardly matter the weights
    stay nearly equal.

    Arguments:
        log_joint: (R, A, K) log p(x, z) of independent draws, K of each component in each repeat.
        log_q: (R, A, K, A) log-density of every draw under every component.
        n_particles: number of particles of the bound; groups of so many draws are formed of each component's draws over
            all repeats.
        tolerance: `WeightFit.gap` that ends the search.

    Raises:
        InputError: shapes that do not fit, or fewer draws than particles.
        NumericalError: NaN, +inf, or a draw that the target or its own component excludes.
    """
    share, excess, centre = relative_densities(*_checked(log_joint, log_q))
    bound_of = _bound_on(share, excess, n_particles)
    weights = np.full(share.shape[-1], 1.0 / share.shape[-1])
    bound, gradient = bound_of(weights)
    uniform_bound, factor, steps = bound, 1.0, 0
    while (gap := float(gradient.max() - gradient @ weights)) > tolerance and steps < _MOST_STEPS:
        steps += 1
        moved = weights * np.exp(np.maximum(factor * (gradient - gradient.max()), -_LARGEST_CUT))
        moved /= moved.sum()
        found, slope = bound_of(moved)
        if found >= bound:
            weights, bound, gradient, factor = moved, found, slope, 2 * factor
        else:
            factor /= 4
            if factor < _SMALLEST_FACTOR:
                break  # rounding: nothing is left to gain
    return WeightFit(
        weights=weights, bound=bound + centre, uniform_bound=uniform_bound + centre, gap=max(gap, 0.0), n_steps=steps
    )


def weight_gain(
    weights: np.ndarray,
    log_joint: torch.Tensor | np.ndarray,
    log_q: torch.Tensor | np.ndarray,
    *,
    n_particles: int = 1,
) -> Estimate:
    """L(w) - L(equal weights) with its standard error, from draws that the weights do not depend on.

    Arguments:
        weights: (A,) non-negative, sum 1.
        log_joint: (R, A, K), see `learn_weights`.
        log_q: (R, A, K, A).
        n_particles: see `learn_weights`.

    Raises:
        InputError, NumericalError: see `learn_weights`.
    """
    share, excess, _ = relative_densities(*_checked(log_joint, log_q))
    n_components = len(weights)
    mixed = share @ weights
    with np.errstate(divide="ignore", invalid="ignore"):
        each = excess - np.log(mixed)
        if n_particles == 1:
            rise = (np.where(mixed > 0, mixed * each, 0.0) - excess) / n_components
        else:
            each, equal = (log_mean_exp(_grouped(x, n_particles)) for x in (each, excess))
            rise = np.where(weights[:, None] > 0, weights[:, None] * each, 0.0) - equal / n_components
    error = stratified_error(rise, np.ones(n_components))
    return Estimate(value=float(rise.mean(axis=1).sum()), standard_error=error)


def choose_weights(
    log_joint: torch.Tensor | np.ndarray, log_q: torch.Tensor | np.ndarray, *, n_particles: int = 1
) -> LearnedWeights:
    """Learn weights on the first half of the repeats, and let the second half say whether they are better.

    Arguments:
        log_joint: (R, A, K), see `learn_weights`; R at least 2.
        log_q: (R, A, K, A).
        n_particles: see `learn_weights`.

    Raises:
        InputError: a single repeat; else as `learn_weights`.
        NumericalError: see `learn_weights`.
    """
    joint, density = _checked(log_joint, log_q)
    half = len(joint) // 2
    if half == 0:
        raise InputError("weights need two repeats of draws: one to learn them, one to judge them")
    weights = learn_weights(joint[:half], density[:half], n_particles=n_particles).weights
    gain = weight_gain(weights, joint[half:], density[half:], n_particles=n_particles)
    kept = bool(gain.value > _ERRORS * gain.standard_error)
    return LearnedWeights(weights=weights, n_particles=n_particles, gain=gain, kept=kept)


def one_sample_bound(weights: np.ndarray, share: np.ndarray, excess: np.ndarray) -> tuple[float, np.ndarray]:
    """L(w) with one particle less a constant, the mean of s (h - log s), and its gradient (A,) in w.

    Arguments:
        weights: (A,) w, positive.
        share: (A, n, A) r of the draws of each component.
        excess: (A, n) h of the draws, less the constant.
    """
    mixed = share @ weights
    each = excess - np.log(mixed)
    return float((mixed * each).mean()), np.einsum("an,anb->b", each - 1.0, share) / each.size


def many_sample_bound(
    weights: np.ndarray, share: np.ndarray, excess: np.ndarray, n_particles: int
) -> tuple[float, np.ndarray]:
    """L(w) with K particles less a constant, and its gradient in w as independent numbers (they need not sum to 1).

    With u_k the normalised importance weights in a group of component a, and M_a the mean over its groups,
    dL/dw_b = M_b[log mean_k exp(h - log s)] - sum_a w_a M_a[sum_k u_k r_b / s].

    Arguments:
        weights: (A,) w, positive.
        share: (A, n, A) r of the draws of each component.
        excess: (A, n) h of the draws, less the constant.
        n_particles: K; a last incomplete group is left out.
    """
    n = share.shape[1] // n_particles * n_particles
    mixed = share[:, :n] @ weights
    log_w = _grouped(excess[:, :n] - np.log(mixed), n_particles)  # (A, groups, K)
    bounds = log_mean_exp(log_w)
    within = np.exp(log_w - bounds[..., None]).reshape(mixed.shape) / (mixed * n)  # u / s over the number of groups
    by_component = bounds.mean(axis=1)
    return float(weights @ by_component), by_component - np.einsum("a,an,anb->b", weights, within, share[:, :n])


def relative_densities(log_joint: np.ndarray, log_q: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Relative densities as the bounds take them, and the constant that makes the mean of h 1 and so centres the
    gradient.

    Arguments:
        log_joint: (R, A, K), see `learn_weights`.
        log_q: (R, A, K, A).

    Returns:
        (A, n, A) r, (A, n) h less the constant, the constant; n = R * K, repeat by repeat.
    """
    n_components = log_q.shape[-1]
    largest = log_q.max(axis=-1, keepdims=True)
    log_equal = np.log(np.exp(log_q - largest).mean(axis=-1)) + largest[..., 0]
    share = np.moveaxis(np.exp(log_q - log_equal[..., None]), 1, 0).reshape(n_components, -1, n_components)
    excess = np.moveaxis(log_joint - log_equal, 1, 0).reshape(n_components, -1)
    centre = float(excess.mean()) - 1.0
    return share, excess - centre, centre


def _bound_on(share: np.ndarray, excess: np.ndarray, n_particles: int) -> _Bound:
    """The bound and its gradient as a function of the weights; -inf where a weight has underflowed."""
    if not 1 <= n_particles <= share.shape[1]:
        raise InputError(f"a bound with {n_particles} particles cannot be formed of {share.shape[1]} draws a component")

    def bound_of(weights: np.ndarray) -> tuple[float, np.ndarray]:
        if not (weights > 0).all():
            return -np.inf, weights
        if n_particles == 1:
            return one_sample_bound(weights, share, excess)
        return many_sample_bound(weights, share, excess, n_particles)

    return bound_of


def _grouped(values: np.ndarray, n_particles: int) -> np.ndarray:
    """(A, groups, K) of (A, n) values; a last incomplete group is left out."""
    n_groups = values.shape[1] // n_particles
    return values[:, : n_groups * n_particles].reshape(len(values), n_groups, n_particles)


def _checked(log_joint: torch.Tensor | np.ndarray, log_q: torch.Tensor | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joint, density = (
        np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x, dtype=np.float64) for x in (log_joint, log_q)
    )
    if joint.ndim != 3 or joint.size == 0 or density.shape != (*joint.shape, joint.shape[1]):
        raise InputError(
            "log joint and log q must have the shapes (repeats, components, particles) and (repeats, components, "
            f"particles, components), not {joint.shape} and {density.shape}"
        )
    own = np.diagonal(density, axis1=1, axis2=3)
    if np.isnan(density).any() or (density == np.inf).any() or not np.isfinite(own).all():
        raise NumericalError("log q is NaN or +inf, or -inf for a draw under the component that drew it")
    if not np.isfinite(joint).all():
        raise NumericalError(
            f"{int((~np.isfinite(joint)).sum())} of {joint.size} draws have no finite log joint: the bound is the same "
            "for all weights"
        )
    return joint, density
