"""Weights of a mixture's components, found after training with everything else held fixed.

The weighted bound with one particle (Hotti et al. 2024, Theorem B.1; the expectation of its Eq. 23) of the mixture
q_w = sum_a w_a q_a is

    L(w) = sum_a w_a E_{q_a}[log p(x, z) - log q_w(z)] = log p(x) - KL(q_w || p(z | x)),

which is concave in w. With more particles it is not, and tells the weights apart less and less, so one particle it is.

Eq. 23 takes the mean of component a over draws of a alone. Here every mean is over the draws of all components, which
weigh q_a / q_1 with q_1 the equal mixture that they come from together (the balance heuristic of Veach and Guibas
1995):

    L(w) = E_{q_1}[s (h - log s)],   s = q_w / q_1 = sum_a w_a r_a,   r_a = q_a / q_1,   h = log p(x, z) - log q_1(z).

The expectation is the same for any weights, overlapping components share their draws, and on any set of draws the
mean is itself concave in w, which Eq. 23 on a set of draws need not be. Since E[s] = 1, a constant may be taken from h
and added to the mean: log p(x, z) is in the thousands, and without that the sampling error of E[s] would drown L(w).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.evaluate.estimates import Estimate, stratified_error

TOLERANCE = 1e-5  # nats that the bound may stay below its largest value; held-out draws tell ten times that at best
_MOST_STEPS = 10_000
_LARGEST_CUT = 30.0  # natural log of the most that a weight may lose in a step
_ERRORS = 2.0  # standard errors that a gain must exceed


@dataclass(frozen=True, kw_only=True)
class WeightFit:
    """Weights that maximise the bound on a set of draws.

    Arguments:
        weights: (A,) positive, sum 1.
        bound: L(w) on these draws, nats.
        uniform_bound: the same with equal weights; never above `bound`.
        gap: by how much the bound on these draws could still rise, at most.
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
        gain: L(weights) - L(equal weights) on the held-out draws, nats, with its standard error.
        kept: whether the gain exceeds two standard errors; if not, equal weights are as good.
    """

    weights: np.ndarray
    gain: Estimate
    kept: bool

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, and for a checkpoint."""
        return {
            "weights": self.weights.tolist(),
            "gain": self.gain.value,
            "gain_se": self.gain.standard_error,
            "kept": self.kept,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LearnedWeights":
        """What `to_dict` gave."""
        return cls(
            weights=np.array(values["weights"], dtype=np.float64),
            gain=Estimate(value=values["gain"], standard_error=values["gain_se"]),
            kept=values["kept"],
        )

    def describe(self) -> str:
        """One line for people."""
        if len(self.weights) == 1:
            return "1: a single component"
        listed = ", ".join(f"{w:.3f}" for w in self.weights.tolist())
        gain = f"{self.gain.value:+.4f} +- {self.gain.standard_error:.4f} nats on held-out draws"
        verdict = "kept" if self.kept else "no gain beyond two standard errors: equal weights stay"
        return f"{listed}: bound {gain}; {verdict}"


def learn_weights(
    log_joint: torch.Tensor | np.ndarray,
    log_q: torch.Tensor | np.ndarray,
    *,
    tolerance: float = TOLERANCE,
) -> WeightFit:
    """The weights that maximise the bound on given draws.

    A step is w_a <- w_a exp(t g_a / rho), normalised, with g the gradient and rho the largest mean of r_a. With t = 1
    it maximises a lower bound of L that touches it at w: by the log-sum inequality L(w') is at least
    L(w) + g (w' - w) - rho KL(w' || w). So it cannot fall, needs no tuning and keeps weights positive. t doubles
    while the bound rises, which saves most of the steps where components overlap, and goes back where it does not.
    Concavity tells when to stop: no weights are better by more than max_a g_a - g w. Starting from equal weights, it
    leaves them nearly equal in directions that hardly matter.

    Arguments:
        log_joint: (R, A, K) log p(x, z) of independent draws, K of each component in each repeat.
        log_q: (R, A, K, A) log-density of every draw under every component.
        tolerance: nats below the largest bound on these draws, at most.

    Raises:
        InputError: shapes that do not fit.
        NumericalError: NaN, +inf, or a draw that the target or its own component excludes.
    """
    share, excess, centre = relative_densities(*_checked(log_joint, log_q))
    weights = np.full(share.shape[1], 1.0 / share.shape[1])
    rho = float(share.mean(axis=0).max())
    bound, gradient = sampled_bound(weights, share, excess)
    uniform_bound, factor, steps = bound, 1.0, 0
    while (gap := float(gradient.max() - gradient @ weights)) > tolerance and steps < _MOST_STEPS:
        steps += 1
        moved = weights * np.exp(np.maximum(factor / rho * (gradient - gradient.max()), -_LARGEST_CUT))
        moved /= moved.sum()
        found, slope = sampled_bound(moved, share, excess)
        if found >= bound:
            weights, bound, gradient, factor = moved, found, slope, 2 * factor
        elif factor > 1:
            factor = max(1.0, factor / 4)
        else:
            break  # rounding: nothing is left to gain
    return WeightFit(
        weights=weights, bound=bound + centre, uniform_bound=uniform_bound + centre, gap=max(gap, 0.0), n_steps=steps
    )


def weight_gain(
    weights: np.ndarray, log_joint: torch.Tensor | np.ndarray, log_q: torch.Tensor | np.ndarray
) -> Estimate:
    """L(w) - L(equal weights) with its standard error, from draws that the weights do not depend on.

    Arguments:
        weights: (A,) non-negative, sum 1.
        log_joint: (R, A, K), see `learn_weights`.
        log_q: (R, A, K, A).

    Raises:
        InputError, NumericalError: see `learn_weights`.
    """
    joint, density = _checked(log_joint, log_q)
    share, excess, _ = relative_densities(joint, density)
    mixed = share @ weights
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(mixed > 0, mixed * (excess - np.log(mixed)), 0.0) - excess
    by_component = np.moveaxis(rise.reshape(joint.shape), 1, 0).reshape(joint.shape[1], -1)
    equal = np.full(len(weights), 1.0 / len(weights))
    return Estimate(value=float(rise.mean()), standard_error=stratified_error(by_component, equal))


def choose_weights(log_joint: torch.Tensor | np.ndarray, log_q: torch.Tensor | np.ndarray) -> LearnedWeights:
    """Learn weights on the first half of the repeats, and let the second half say whether they are better.

    Arguments:
        log_joint: (R, A, K), see `learn_weights`; R at least 2.
        log_q: (R, A, K, A).

    Raises:
        InputError: a single repeat; else as `learn_weights`.
        NumericalError: see `learn_weights`.
    """
    joint, density = _checked(log_joint, log_q)
    half = len(joint) // 2
    if half == 0:
        raise InputError("weights need two repeats of draws: one to learn them, one to judge them")
    weights = learn_weights(joint[:half], density[:half]).weights
    gain = weight_gain(weights, joint[half:], density[half:])
    return LearnedWeights(weights=weights, gain=gain, kept=bool(gain.value > _ERRORS * gain.standard_error))


def sampled_bound(weights: np.ndarray, share: np.ndarray, excess: np.ndarray) -> tuple[float, np.ndarray]:
    """L(w) on a set of draws less a constant, the mean of s (h - log s), and its gradient (A,) in w.

    Arguments:
        weights: (A,) w, positive.
        share: (n, A) r of the draws.
        excess: (n,) h of the draws, less the constant.
    """
    mixed = share @ weights
    with np.errstate(divide="ignore", invalid="ignore"):  # a weight that underflowed: NaN, which is not taken
        each = excess - np.log(mixed)
        value = float((mixed * each).mean())
    return value, (each - 1.0) @ share / len(share)


def relative_densities(log_joint: np.ndarray, log_q: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """What `sampled_bound` takes, and the constant: it makes the mean of h 1, and so centres the gradient.

    Arguments:
        log_joint: (R, A, K), see `learn_weights`.
        log_q: (R, A, K, A).

    Returns:
        (n, A) r, (n,) h less the constant, the constant; n = R * A * K.
    """
    n_components = log_q.shape[-1]
    largest = log_q.max(axis=-1, keepdims=True)
    log_equal = np.log(np.exp(log_q - largest).mean(axis=-1)) + largest[..., 0]
    share = np.exp(log_q - log_equal[..., None]).reshape(-1, n_components)
    excess = (log_joint - log_equal).reshape(-1)
    centre = float(excess.mean()) - 1.0
    return share, excess - centre, centre


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
