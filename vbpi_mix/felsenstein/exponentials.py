"""Derivatives of matrix exponentials."""

import numpy as np


def divided_differences(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(..., n, n) of (exp(v_k t) - exp(v_l t)) / (v_k - v_l) for values v (n,) <= 0 and times t (...).

    Written with the larger value of each pair as t exp(v t) (1 - exp(-x)) / x, x = |v_k - v_l| t: exact also near
    x = 0, and nothing overflows.
    """
    t = times[..., None, None]
    larger = np.maximum(values[:, None], values)
    x = np.abs(values[:, None] - values) * t
    quotient = np.where(x > 0, -np.expm1(-x) / np.where(x > 0, x, 1.0), 1.0)
    return t * np.exp(larger * t) * quotient
