"""Compiled passes of `parameters.ParameterPosterior.shift`: how log lengths follow the model's parameters.

Legend: T trees, E edges, d whitened parameters; rows (R, d) of the splits.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.row_table import slot_of


@kernel()
def forward(ids: np.ndarray, rows: np.ndarray, whitened: np.ndarray, out: np.ndarray) -> None:
    """`out` (T, E) = sum_j rows[ids, j] whitened[t, j], ids (T, E)."""
    for t in range(len(ids)):
        for e in range(ids.shape[1]):
            total = 0.0
            for j in range(rows.shape[1]):
                total += rows[ids[t, e], j] * whitened[t, j]
            out[t, e] = total


@kernel()
def backward(
    ids: np.ndarray,
    rows: np.ndarray,
    whitened: np.ndarray,
    upstream: np.ndarray,
    gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    of_whitened: np.ndarray,
) -> None:
    """Derivatives of sum(upstream * out).

    Arguments:
        ids: (T, E).
        rows: (R, d).
        whitened: (T, d).
        upstream: (T, E).
        gradient: `RowGradient.arrays`, added to.
        of_whitened: (T, d) output, zero before the call.
    """
    values = gradient[0]
    for t in range(len(ids)):
        for e in range(ids.shape[1]):
            slot = slot_of(ids[t, e], gradient)
            for j in range(rows.shape[1]):
                values[slot, j] += upstream[t, e] * whitened[t, j]
                of_whitened[t, j] += upstream[t, e] * rows[ids[t, e], j]
