"""Rescaling of likelihoods that would leave the range of their numbers, in compiled kernels.

The unscaled kernels run first. Their messages are probabilities, never above 1, so no factor of a site likelihood can
be smaller than the likelihood itself: above `UNSCALED_LIMIT` nothing that counts (a share of 1e-16 of the likelihood)
has come near the smallest normal double, 2e-308. A block of patterns with a smaller likelihood is done again by the
scaled kernels, which multiply the partial likelihoods of a node by a power of 2^128 wherever their largest state has
fallen below 2^-128. They keep the number of such steps per pattern; the outside messages are normalised by the
likelihood of the pattern, so that in gradients the factors cancel. Where a block was far below the limit, the next
one of the same tree starts with the scaled kernels at once.

In float32 the smallest normal number is 2^-126: limits are higher and a step is 2^32, counted as a quarter. Partial
likelihoods of which even the largest state has fallen below 2^-118 (two clades in contradiction across branches
shorter than 1e-17) have lost digits for good; they become NaN, and the tree is done again in float64.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from vbpi_mix.compiled import kernel

UNSCALED_LIMIT = 1e-250
UNSCALED_LIMIT_FLOAT32 = 1e-29
LOG_STEP = 128 * math.log(2.0)
_F128, _F256, _F512 = 2.0**128, 2.0**256, 2.0**512
_G32, _G64, _LOST = np.float32(2.0**32), np.float32(2.0**64), np.float32(2.0**-118)
_ONE, _ZERO, _QUARTER, _HALF, _NAN = (np.float32(x) for x in (1.0, 0.0, 0.25, 0.5, math.nan))


def rescaling(largest: float) -> tuple[float, float]:
    """(2^(128 k), k), k from 0 to 7, so that a `largest` >= 2^-1022 times the first is at least 2^-128.

    In kernels of float32: (2^(32 j), j / 4), j from 0 to 3, and at least 2^-32; NaN from 2^-118 down, but not at 0.
    """
    return _rescaling_float64(largest)


def _rescaling_float64(largest: Any) -> tuple[float, float]:
    factor = 1.0
    steps = 0.0
    if largest * _F512 < 1.0:
        factor = _F512
        steps = 4.0
    if largest * factor * _F256 < 1.0:
        factor *= _F256
        steps += 2.0
    if largest * factor * _F128 < 1.0:
        factor *= _F128
        steps += 1.0
    return factor, steps


def _rescaling_float32(largest: Any) -> tuple[Any, Any]:
    factor = _ONE
    steps = _ZERO
    if largest * _G64 < _ONE:
        factor = _G64
        steps = _HALF
    if largest * factor * _G32 < _ONE:
        factor *= _G32
        steps += _QUARTER
    if _ZERO < largest < _LOST:
        factor = _NAN
    return factor, steps


@overload(rescaling, inline="always")
def _compiled_rescaling(largest: Any) -> Callable[..., tuple[float, float]]:
    # One kernel source serves both types; a branch on the type would mix them, and compute everything in float64.
    # Numba wants the same annotations on all of these functions; here the argument is a type of Numba.
    return _rescaling_float32 if largest is types.float32 else _rescaling_float64


@kernel()
def scaled_next(steps: np.ndarray) -> bool:
    """Whether the next block should start with the scaled kernels: a pattern of this one was far below the limit."""
    return steps.max() >= (0.5 if steps.itemsize == 4 else 6.0)
