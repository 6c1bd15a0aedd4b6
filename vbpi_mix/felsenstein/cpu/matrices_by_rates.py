"""Compiled transition matrices of trees that each have a model of their own, and what their derivatives come to.

Tree t has the rate matrix Q = left diag(values) right, and rates r_c of C categories: P = exp(Q r_c b) for an edge of
length b. With G = dL/dP of an edge and category, and H = left^T G right^T,

    dL/d(r_c b) = sum_k v_k exp(v_k r_c b) H[k, k],
    dL/dQ = right^T (sum over edges and categories of phi * H) left^T,

where phi[k, l] = (exp(v_k s) - exp(v_l s)) / (v_k - v_l), s = r_c b, and s exp(v_k s) where v_k = v_l (Daleckii and
Krein 1965).
"""

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.matrices_by_spectrum import add_up, expm1


@kernel()
def matrices_of_trees(
    lengths: np.ndarray,
    rates: np.ndarray,
    values: np.ndarray,
    products: np.ndarray,
    trees: tuple[int, int],
    matrices: np.ndarray,
) -> None:
    """Transition matrices of all edges of some trees.

    Arguments:
        lengths: (T, E) branch lengths, finite and >= 0.
        rates: (T, C) rates of the categories.
        values: (T, 4) eigenvalues of the rate matrices, <= 0.
        products: (T, 4, 16) right times left eigenvector of each eigenvalue.
        trees: first tree and the one after the last.
        matrices: (T, C, E, 16) float64 or float32 output, written at `trees`.
    """
    n_edges = lengths.shape[1]
    changes = np.empty((4, n_edges))
    for t in range(trees[0], trees[1]):
        for c in range(rates.shape[1]):
            for k in range(4):
                expm1(values[t, k] * rates[t, c], lengths[t], changes[k])
            for e in range(n_edges):
                add_up(changes, e, products[t], matrices[t, c, e])


@kernel(fastmath=True)
def contract(
    lengths: np.ndarray,
    rates: np.ndarray,
    values: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    of_matrices: np.ndarray,
    trees: tuple[int, int],
    of_lengths: np.ndarray,
    of_rates: np.ndarray,
    of_generators: np.ndarray,
) -> None:
    """Derivatives in lengths, category rates and rate matrices from those in the transition matrices.

    Arguments:
        lengths: (T, E).
        rates: (T, C).
        values: (T, 4) eigenvalues.
        left: (T, 4, 4) right eigenvectors in columns.
        right: (T, 4, 4) its inverse.
        of_matrices: (T, C, E, 4, 4) derivatives.
        trees: first tree and the one after the last.
        of_lengths: (T, E) output, zero before the call.
        of_rates: (T, C) output, likewise.
        of_generators: (T, 4, 4) output, likewise.
    """
    half = np.empty((4, 4))
    turned = np.empty((4, 4))
    decays = np.empty(4)
    weighted = np.empty((4, 4))
    for t in range(trees[0], trees[1]):
        v = values[t]
        weighted[:] = 0.0
        for c in range(rates.shape[1]):
            rate = rates[t, c]
            for e in range(lengths.shape[1]):
                gradient, time = of_matrices[t, c, e], lengths[t, e] * rate
                for k in range(4):
                    for j in range(4):
                        half[k, j] = (left[t, 0, k] * gradient[0, j] + left[t, 1, k] * gradient[1, j]) + (
                            left[t, 2, k] * gradient[2, j] + left[t, 3, k] * gradient[3, j]
                        )
                for k in range(4):
                    for i in range(4):
                        turned[k, i] = (half[k, 0] * right[t, i, 0] + half[k, 1] * right[t, i, 1]) + (
                            half[k, 2] * right[t, i, 2] + half[k, 3] * right[t, i, 3]
                        )
                slope = 0.0
                for k in range(4):
                    decays[k] = math.exp(v[k] * time)
                    slope += v[k] * decays[k] * turned[k, k]
                    weighted[k, k] += time * decays[k] * turned[k, k]
                of_lengths[t, e] += rate * slope
                of_rates[t, c] += lengths[t, e] * slope
                for k in range(4):
                    for i in range(k):
                        x = abs(v[k] - v[i]) * time
                        quotient = -math.expm1(-x) / x if x > 0.0 else 1.0
                        difference = time * max(decays[k], decays[i]) * quotient
                        weighted[k, i] += difference * turned[k, i]
                        weighted[i, k] += difference * turned[i, k]
        for i in range(4):
            for j in range(4):
                total = 0.0
                for k in range(4):
                    for m in range(4):
                        total += right[t, k, i] * weighted[k, m] * left[t, j, m]
                of_generators[t, i, j] += total
