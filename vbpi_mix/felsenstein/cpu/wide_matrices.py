"""Compiled transition matrices for any number of states, and what they make of the state sets of tips.

With BLAS, products of matrices as small as these take longer, the more threads the longer.
"""

import numpy as np

from vbpi_mix.compiled import kernel


@kernel(fastmath=True)
def exponentials(changes: np.ndarray, products: np.ndarray, n: int, matrices: np.ndarray) -> None:
    """Transition matrices I + sum_k changes[k] products[k], without negatives.

    Arguments:
        changes: (R, n) exp(values t) - 1.
        products: (n, width * width) right times left eigenvector of each eigenvalue.
        n: states, of which the identity has ones.
        matrices: (R, width * width) output.
    """
    size = products.shape[1]
    width = int(np.sqrt(size) + 0.5)
    for r in range(len(changes)):
        out = matrices[r]
        out[:] = 0.0
        for i in range(n):
            out[i * width + i] = 1.0
        for k in range(n):
            factor, other = changes[r, k], products[k]
            for p in range(size):
                out[p] += factor * other[p]
        for p in range(size):
            out[p] = max(out[p], 0.0)  # a probability of zero may come out as -1e-17


@kernel(inner=True, fastmath=True)
def multiply_table(matrix: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """out = matrix (width, width) @ table (width, codes)."""
    for i in range(len(matrix)):
        row = out[i]
        row[:] = 0.0
        for j in range(len(matrix)):
            factor, other = matrix[i, j], table[j]
            for p in range(len(row)):
                row[p] += factor * other[p]


@kernel()
def tables_of_tips(
    matrices: np.ndarray, generators: np.ndarray, tip_table: np.ndarray, tables: np.ndarray, slopes: np.ndarray
) -> None:
    """Matrices of the tips' edges times every state set, and the generators times that.

    Arguments:
        matrices: (T, C, E, width, width); tips' edges come first.
        generators: (1, C, width, width) or (T, C, width, width).
        tip_table: (width, codes) state sets.
        tables: (T, C, N, width, codes) output.
        slopes: (T, C, N, width, codes) output.
    """
    for t in range(tables.shape[0]):
        own = generators[t if len(generators) > 1 else 0]
        for c in range(tables.shape[1]):
            for tip in range(tables.shape[2]):
                multiply_table(matrices[t, c, tip], tip_table, tables[t, c, tip])
                multiply_table(own[c], tables[t, c, tip], slopes[t, c, tip])
