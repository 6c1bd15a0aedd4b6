"""Compiled derivatives of the regularised lower incomplete gamma function F(a, x) in its shape a."""

import math

import numpy as np

from vbpi_mix.compiled import kernel

_SMALLEST = -700.0  # natural logarithm of a first term that further ones can be made from
_NEGLIGIBLE = 1e-18  # of the sum


@kernel()
def shape_derivatives(
    shapes: np.ndarray, points: np.ndarray, log_gammas: np.ndarray, digammas: np.ndarray, out: np.ndarray
) -> None:
    """`out` (n,) = dF(a, x)/da.

    F(a, x) = sum_n t_n with t_n = x^(a+n) exp(-x) / Gamma(a+n+1), so dF/da = sum_n t_n (log x - digamma(a+n+1)).
    Term follows term: t_n = t_(n-1) x / (a+n), digamma(a+n+1) = digamma(a+n) + 1 / (a+n).

    Arguments:
        shapes: (n,) a > 0.
        points: (n,) x; 0 where x is.
        log_gammas: (n,) log Gamma(a + 1).
        digammas: (n,) digamma(a + 1).
        out: (n,) overwritten.
    """
    for i in range(len(points)):
        a, x = shapes[i], points[i]
        out[i] = 0.0
        if x <= 0.0:
            continue
        log_x = math.log(x)
        log_term = a * log_x - x - log_gammas[i]
        slope = log_x - digammas[i]
        far = log_term < _SMALLEST  # each term from its logarithm then
        term = math.exp(log_term)
        total = term * slope
        n = 0.0
        while True:
            n += 1.0
            factor = x / (a + n)
            slope -= 1.0 / (a + n)
            if far:
                log_term += math.log(factor)
                term = math.exp(log_term)
            else:
                term *= factor
            total += term * slope
            if factor < 1.0:  # and smaller from here on: a geometric series bounds the rest
                longest = 1.0 / (1.0 - factor)
                rest = term * factor * longest * (abs(slope) + longest / (a + n))
                if rest <= _NEGLIGIBLE * abs(total):
                    break
        out[i] = total
