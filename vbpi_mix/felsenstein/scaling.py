"""When and how the compiled kernels rescale likelihoods that would leave the range of doubles.

The unscaled kernels run first. Their messages are probabilities, never above 1, so no factor of a site likelihood can
be smaller than the likelihood itself: above `UNSCALED_LIMIT` nothing that counts (a share of 1e-16 of the likelihood)
has come near the smallest normal double, 2e-308. A block of patterns with a smaller likelihood is done again by the
scaled kernels, which multiply the partial likelihoods of a node by a power of 2^128 wherever their largest state has
fallen below 2^-128. They keep the number of such steps per pattern; the outside messages are normalised by the
likelihood of the pattern, so that in gradients the factors cancel.
"""

import math

from vbpi_mix.compiled import kernel

UNSCALED_LIMIT = 1e-250
LOG_STEP = 128 * math.log(2.0)
_F128, _F256, _F512 = 2.0**128, 2.0**256, 2.0**512


@kernel(inline=True)
def rescaling(largest: float) -> tuple[float, float]:
    """(2^(128 k), k), k from 0 to 7, so that a `largest` >= 2^-1022 times the first is at least 2^-128."""
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
