"""One edge of a tree with everything else fixed: its length's density, near its mode like a gamma density.

The density is that of x = log t, on the path from a reference density to the posterior,

    g(x) = beta (log L(t) + log prior(t) + x) + (1 - beta) (shape x - rate t),

the reference being a gamma density of t. It is approximated by the density of the logarithm of a gamma variable with
the same mode and curvature in x. That is exact where the likelihood falls exponentially in t, as it does for a branch
without substitutions, and close to exact for longer branches, where it counts substitutions.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.messages import Blocks, Scratch, Spectra, table_slope, table_value

_MOST_STEPS = 10
_LARGEST_STEP = 1.5
_LEAST_NEWTON = -0.999
_PRECISE = 0.05  # of a step of x, in standard deviations
_SMALLEST_SHAPE = 0.3
_CONCAVE = -0.02  # second derivative in x below which Newton's step is taken


class EdgePrior(NamedTuple):
    """Prior of branch lengths with total T: power log T - rate T + sum_e powers log t_e.

    Arguments:
        power: exponent of the total; 0 for independent exponentials.
        rate: rate of the total.
        tip: power of an edge at a tip.
        inner: power of an inner edge.
    """

    power: float
    rate: float
    tip: float
    inner: float


class Fit(NamedTuple):
    """A gamma density of one length.

    Arguments:
        mode: mode of x = log t.
        shape: shape of the gamma density; its rate is shape / exp(mode).
        log_density: g at the mode.
        log_mass: logarithm of the integral of exp(g), as far as the approximation holds.
    """

    mode: float
    shape: float
    log_density: float
    log_mass: float


@kernel(inner=True)
def edge_density(
    rows: np.ndarray, table: int, x: float, power: float, prior: EdgePrior, rest: float, beta: float, shape: float,
    rate: float, spectra: Spectra, blocks: Blocks, scratch: Scratch,
) -> float:  # fmt: skip
    """g(x) for the table of an edge, but for constants.

    Arguments:
        rows: messages and tables.
        table: first row of the edge's table.
        x: log length.
        power: exponent of this edge's length in the prior.
        prior: prior of all lengths.
        rest: total length of the other edges.
        beta: place on the path.
        shape: shape of the reference's gamma density of t.
        rate: rate of the same.
        spectra: the models.
        blocks: blocks of the patterns.
        scratch: overwritten.
    """
    t = math.exp(x)
    value = table_value(rows, table, t, spectra, blocks, scratch)
    value += power * x - prior.rate * t + x
    if prior.power != 0.0:
        value += prior.power * math.log(rest + t)
    if beta == 1.0:
        return value
    return beta * value + (1.0 - beta) * (shape * x - rate * t)


@kernel(inner=True)
def find_mode(
    rows: np.ndarray, table: int, start: float, power: float, prior: EdgePrior, rest: float, beta: float, shape: float,
    rate: float, spectra: Spectra, blocks: Blocks, scratch: Scratch,
) -> tuple[float, float]:  # fmt: skip
    """Mode of g, from a given start, and its second derivative near there.

    Each step leads to the mode of the gamma density of t that has the slope and the curvature of exp(g).
    """
    x = start
    curve = 1.0
    for _ in range(_MOST_STEPS):
        t = math.exp(x)
        d1, d2 = table_slope(rows, table, t, spectra, blocks, scratch)
        d1 -= prior.rate
        if prior.power != 0.0:
            d1 += prior.power / (rest + t)
            d2 -= prior.power / (rest + t) ** 2
        slope = beta * (t * d1 + power + 1.0) + (1.0 - beta) * (shape - rate * t)
        curve = beta * (t * t * d2 + t * d1) - (1.0 - beta) * rate * t
        if not (math.isfinite(slope) and math.isfinite(curve)):
            return start, -1.0
        newton = -slope / curve if curve < _CONCAVE else math.copysign(math.inf, slope)
        step = math.log1p(max(newton, _LEAST_NEWTON))  # exact where exp(g) is a gamma density of t
        step = min(max(step, -_LARGEST_STEP), _LARGEST_STEP)
        x += step
        if abs(step) * math.sqrt(max(-curve, _SMALLEST_SHAPE)) < _PRECISE:
            break
    return x, curve


@kernel(inner=True)
def fit_edge(
    rows: np.ndarray, table: int, start: float, power: float, prior: EdgePrior, rest: float, beta: float, shape: float,
    rate: float, weighed: bool, spectra: Spectra, blocks: Blocks, scratch: Scratch,
) -> Fit:  # fmt: skip
    """The approximation of g, from a start of the search that does not depend on the present length.

    Unless it is `weighed` against others, nobody needs g at its mode: it is not calculated, and log_density and
    log_mass are 0.
    """
    x, curve = find_mode(rows, table, start, power, prior, rest, beta, shape, rate, spectra, blocks, scratch)
    sharp = max(-curve, _SMALLEST_SHAPE)
    if not weighed:
        return Fit(x, sharp, 0.0, 0.0)
    top = edge_density(rows, table, x, power, prior, rest, beta, shape, rate, spectra, blocks, scratch)
    return Fit(x, sharp, top, top + sharp + math.lgamma(sharp) - sharp * math.log(sharp))


@kernel(inner=True)
def fit_log_prob(fit: Fit, x: float) -> float:
    """Log density of x = log t under the approximation, exp(g) not normalised: integrates to exp(log_mass)."""
    away = x - fit.mode
    if away > 30.0:
        return -math.inf
    return fit.log_density + fit.shape * (away + 1.0 - math.exp(away))


@kernel(inner=True)
def draw_length(fit: Fit, generator: np.random.Generator) -> float:
    """x = log t drawn from the approximation."""
    if fit.shape >= 1.0:
        y = math.log(max(generator.standard_gamma(fit.shape), 1e-300))
    else:  # a small shape loses digits near zero: Gamma(k) = Gamma(k + 1) U^(1/k)
        y = math.log(generator.standard_gamma(fit.shape + 1.0)) + math.log(1.0 - generator.random()) / fit.shape
    return y - math.log(fit.shape) + fit.mode
