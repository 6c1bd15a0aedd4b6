"""Compiled transition matrices of models whose rate matrices have a known spectrum, by the thread that needs them.

The rate matrix of category c is sum_k values[c, k] products[k], with products[k] the outer product of a right and a
left eigenvector, so that P(t) = I + sum_k (exp(values[c, k] t) - 1) products[k]: short branches keep all their digits.
"""

import numpy as np

from vbpi_mix.compiled import kernel

_TO_INTEGER = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer
_POWERS = 2.0 ** -np.arange(1023.0)
_IDENTITY = np.eye(4).reshape(16)


@kernel()
def expm1(scale: float, times: np.ndarray, out: np.ndarray) -> None:
    """`out` (n,) = exp(scale times) - 1 of products <= 0, to 3 units in the last place; positive ones count as 0.

    Written so that compilers vectorise it, which they do not do with the library's function: x = k log 2 + r with
    |r| <= log(2) / 2, a Taylor polynomial of exp(r) - 1 (remainder below 1e-17), times 2^k, plus 2^k - 1.
    """
    for i in range(len(times)):
        x = scale * times[i]
        y = x if x > -708.0 else -708.0
        y = y if y < 0.0 else 0.0
        k = (y * 1.4426950408889634 + _TO_INTEGER) - _TO_INTEGER
        r = (y - k * 0.693145751953125) - k * 1.4286068203094172e-06
        p = 1.0 / 6227020800
        p = p * r + 1.0 / 479001600
        p = p * r + 1.0 / 39916800
        p = p * r + 1.0 / 3628800
        p = p * r + 1.0 / 362880
        p = p * r + 1.0 / 40320
        p = p * r + 1.0 / 5040
        p = p * r + 1.0 / 720
        p = p * r + 1.0 / 120
        p = p * r + 1.0 / 24
        p = p * r + 1.0 / 6
        p = p * r + 0.5
        p = p * r + 1.0
        power = _POWERS[np.uint64(np.int64(-k))]
        out[i] = power * (p * r) + (power - 1.0)


@kernel(inner=True, fastmath=True)
def add_up(changes: np.ndarray, e: int, products: np.ndarray, out: np.ndarray) -> None:
    """`out` (16,) = I + sum_k changes[k, e] products[k] of changes (4, E) and products (4, 16), without negatives."""
    a, b, c, d = changes[0, e], changes[1, e], changes[2, e], changes[3, e]
    first, second, third, fourth = products[0], products[1], products[2], products[3]
    for i in range(16):
        change = (a * first[i] + b * second[i]) + (c * third[i] + d * fourth[i])
        out[i] = max(change + _IDENTITY[i], 0.0)  # a probability of zero may come out as -1e-17


@kernel()
def spectral_matrices(
    lengths: np.ndarray, values: np.ndarray, products: np.ndarray, trees: tuple[int, int], matrices: np.ndarray
) -> None:
    """Transition matrices of all edges of some trees.

    Arguments:
        lengths: (T, E) branch lengths, finite and >= 0.
        values: (C, 4) eigenvalues of the rate matrix times the rate of each category, <= 0.
        products: (4, 16) right times left eigenvector of each eigenvalue.
        trees: first tree and the one after the last.
        matrices: (T, C, E, 16) float64 or float32 output, written at `trees`.
    """
    n_edges = lengths.shape[1]
    changes = np.empty((4, n_edges))
    for t in range(trees[0], trees[1]):
        for c in range(len(values)):
            for k in range(4):
                expm1(values[c, k], lengths[t], changes[k])
            for e in range(n_edges):
                add_up(changes, e, products, matrices[t, c, e])
