"""Exact marginal likelihood, posterior moments and mixture bounds of the toy, by trapezoid rules with error checks.

Every integral is taken against a two-dimensional standard normal: the funnel is a smooth image of one, and so is each
Gaussian of a mixture. On such integrands the trapezoid rule on a square converges faster than any power of the step, so
halving the step until the value stands still is a sound estimate of its error (Trefethen and Weideman 2014).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vbpi_mix.errors import NumericalError
from vbpi_mix.estimators import mixture_log_prob
from vbpi_mix.toys.funnel import FunnelModel, funnel_from_normal
from vbpi_mix.toys.gaussians import GaussianMixture

_FIRST_STEP = 0.25
_SMALLEST_HALF_WIDTH = 6.0
SMALLEST_STEP = 0.25 / 2**5
# half the side of the square for the bounds: 5e-19 of a normal lies outside, times what grows like a square
_BOUND_HALF_WIDTH = 9.0
_CHUNK = 20_000  # nodes evaluated at once, so that memory stays in tens of megabytes


@dataclass(frozen=True, kw_only=True)
class ExactPosterior:
    """Evidence and moments of the posterior.

    Arguments:
        log_evidence: log p(x), in nats.
        error: the last change when the step was halved, plus a bound of what lies outside the square.
        mean: (2,) posterior means of z1 and z2.
        sd: (2,) posterior standard deviations.
        n_nodes: nodes of the last grid.
    """

    log_evidence: float
    error: float
    mean: Tensor
    sd: Tensor
    n_nodes: int


@torch.no_grad()
def exact_posterior(
    model: FunnelModel, *, tolerance: float = 1e-8, smallest_step: float = SMALLEST_STEP
) -> ExactPosterior:
    """log p(x) = log E[p(x | z(e))] over standard normals e, where z(e) has the funnel's law.

    The likelihood of binary data is at most 1, so what a square [-L, L]^2 leaves out is at most the mass of the normal
    outside it, at most 4 Phi(-L): L grows until that is below the tolerance relative to the marginal likelihood.

    Arguments:
        model: prior and data.
        tolerance: absolute, in nats.
        smallest_step: Smallest distance of the nodes.

    Raises:
        NumericalError: the smallest step does not reach the tolerance.
    """
    half_width = _SMALLEST_HALF_WIDTH
    nodes, log_weights = _normal_grid(half_width, _FIRST_STEP)
    value = float(torch.logsumexp(log_weights + _in_chunks(model.log_likelihood, funnel_from_normal(nodes)), dim=0))
    while _left_out(half_width, value) > tolerance / 4:
        half_width += 1.0
    value, change, (mean, sd), n_nodes = _evidence_on_square(model, half_width, tolerance / 2, smallest_step)
    error = change + _left_out(half_width, value)
    return ExactPosterior(log_evidence=value, error=error, mean=mean, sd=sd, n_nodes=n_nodes)


def _left_out(half_width: float, log_evidence: float) -> float:
    """A bound of the marginal likelihood outside the square, relative to the marginal likelihood: 4 Phi(-L) / p(x)."""
    log_tail = float(torch.special.log_ndtr(torch.tensor(-half_width, dtype=torch.float64)))
    return math.exp(min(0.0, math.log(4) + log_tail - log_evidence))


def _evidence_on_square(
    model: FunnelModel, half_width: float, tolerance: float, smallest_step: float
) -> tuple[float, float, tuple[Tensor, Tensor], int]:
    step, before = _FIRST_STEP, math.inf
    while step >= smallest_step:
        nodes, log_weights = _normal_grid(half_width, step)
        z = funnel_from_normal(nodes)
        log_terms = log_weights + _in_chunks(model.log_likelihood, z)
        value = float(torch.logsumexp(log_terms, dim=0))
        if abs(value - before) < tolerance:
            posterior = torch.exp(log_terms - value)
            mean = posterior @ z
            sd = (posterior @ (z - mean) ** 2).sqrt()
            return value, abs(value - before), (mean, sd), len(z)
        before, step = value, step / 2
    raise NumericalError(
        f"the marginal likelihood of the toy changes by more than {tolerance:g} nats on the finest grid "
        f"(step {step * 2:g}): the data are too many or too extreme for it; use fewer points or a larger tolerance"
    )


def exact_bound(
    model: FunnelModel,
    mixture: GaussianMixture,
    *,
    tolerance: float = 1e-5,
    step: float | None = None,
    smallest_step: float = SMALLEST_STEP,
) -> Tensor:
    """The MISELBO of the whole mixture, (1/A) sum_a E_{q_a}[log p(x, z) - log q_mix(z)], without sampling error.

    log p(x) minus this value is KL(q_mix || p(z | x)). The value is differentiable in the mixture's parameters.

    Arguments:
        model: prior and data.
        mixture: mixture with equal weights.
        tolerance: largest change, in nats, when the step is halved for the last time.
        step: use this step (in standard deviations of the components) alone, without a check.
        smallest_step: Smallest step that is tried.

    Raises:
        NumericalError: the smallest step does not reach the tolerance.
    """
    if step is not None:
        return _bound_on_grid(model, mixture, step)
    step, before = 2 * _FIRST_STEP, math.inf
    while step >= smallest_step:
        value = _bound_on_grid(model, mixture, step)
        now = float(value.detach())
        if abs(now - before) < tolerance:
            return value
        before, step = now, step / 2
    raise NumericalError(
        f"the bound of a mixture of {mixture.n_components} Gaussians changes by more than {tolerance:g} nats on the "
        "finest grid: one component is far narrower than another; use a larger tolerance"
    )


def _bound_on_grid(model: FunnelModel, mixture: GaussianMixture, step: float) -> Tensor:
    nodes, log_weights = _normal_grid(_BOUND_HALF_WIDTH, step)
    weights = torch.exp(log_weights)
    uniform = torch.full((mixture.n_components,), -math.log(mixture.n_components), dtype=torch.float64)

    def log_ratio(z: Tensor) -> Tensor:
        return model.log_joint(z) - mixture_log_prob(mixture.log_prob(z), uniform)

    total = torch.zeros((), dtype=torch.float64)
    for a in range(mixture.n_components):
        z = mixture.from_normal(torch.tensor([a]), nodes[None])[0]
        total = total + weights @ _in_chunks(log_ratio, z)
    return total / mixture.n_components


def _normal_grid(half_width: float, step: float) -> tuple[Tensor, Tensor]:
    """(n, 2) nodes of a square grid, and (n,) the logarithms of step^2 times the standard normal density there."""
    n = round(half_width / step)
    line = torch.arange(-n, n + 1, dtype=torch.float64) * step
    nodes = torch.cartesian_prod(line, line)
    return nodes, -0.5 * (nodes**2).sum(dim=-1) + 2 * math.log(step) - math.log(2 * math.pi)


def _in_chunks(function: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    return torch.cat([function(part) for part in z.split(_CHUNK)])
