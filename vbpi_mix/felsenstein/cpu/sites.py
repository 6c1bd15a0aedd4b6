"""Log-likelihoods of single site patterns, for what looks at them one by one (cross-validation, outlying sites).

Plain pruning without gradients, a pattern at a time; sums over all patterns come from the kernels of the fit.
"""

import numpy as np

from vbpi_mix.compiled import kernel


@kernel()
def site_log_likelihoods(
    matrices: np.ndarray,
    root_frequencies: np.ndarray,
    category_weights: np.ndarray,
    children: np.ndarray,
    state_sets: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` (T, P) with log p(pattern | tree), -inf where it is impossible.

    Arguments:
        matrices: (T, E, C, 4, 4) transition matrices, edges as in `phylo.topology`.
        root_frequencies: (4,).
        category_weights: (C,).
        children: (T, N-2, 2).
        state_sets: (N, P) uint8, bit s for state s.
        out: (T, P) float64.
    """
    n_trees, n_patterns, n_taxa = len(children), state_sets.shape[1], len(state_sets)
    n_categories = len(category_weights)
    messages = np.empty((2 * n_taxa - 2, n_categories, 4))
    top = 2 * n_taxa - 3
    for tree in range(n_trees):
        for pattern in range(n_patterns):
            for tip in range(n_taxa):
                states = state_sets[tip, pattern]
                for c in range(n_categories):
                    for i in range(4):
                        total = 0.0
                        for j in range(4):
                            if states >> j & 1:
                                total += matrices[tree, tip, c, i, j]
                        messages[tip, c, i] = total
            log_scale = 0.0
            for inner in range(n_taxa - 2):
                node = n_taxa + inner
                left, right = children[tree, inner, 0], children[tree, inner, 1]
                largest = 0.0
                for c in range(n_categories):
                    for i in range(4):
                        product = messages[left, c, i] * messages[right, c, i]
                        messages[node, c, i] = product
                        largest = max(largest, product)
                if largest > 0.0:
                    log_scale += np.log(largest)
                    for c in range(n_categories):
                        for i in range(4):
                            messages[node, c, i] /= largest
                if node < top:
                    for c in range(n_categories):
                        a, b = messages[node, c, 0], messages[node, c, 1]
                        d, e = messages[node, c, 2], messages[node, c, 3]
                        for i in range(4):
                            row = matrices[tree, node, c, i]
                            messages[node, c, i] = row[0] * a + row[1] * b + row[2] * d + row[3] * e
            value = 0.0
            for c in range(n_categories):
                for i in range(4):
                    value += category_weights[c] * root_frequencies[i] * messages[top, c, i] * messages[0, c, i]
            out[tree, pattern] = np.log(value) + log_scale if value > 0.0 else -np.inf


@kernel()
def wide_site_log_likelihoods(
    matrices: np.ndarray,
    root_frequencies: np.ndarray,
    category_weights: np.ndarray,
    children: np.ndarray,
    state_sets: np.ndarray,
    out: np.ndarray,
) -> None:
    """As `site_log_likelihoods`, for any number of states.

    Arguments:
        matrices: (T, E, C, n, n) transition matrices.
        root_frequencies: (n,).
        category_weights: (C,).
        children: (T, N-2, 2).
        state_sets: (N, P) int64, bit s for state s.
        out: (T, P) float64.
    """
    n_trees, n_patterns, n_taxa = len(children), state_sets.shape[1], len(state_sets)
    n_categories, n = len(category_weights), len(root_frequencies)
    messages = np.empty((2 * n_taxa - 2, n_categories, n))
    product = np.empty((n_categories, n))
    top = 2 * n_taxa - 3
    for tree in range(n_trees):
        for pattern in range(n_patterns):
            for tip in range(n_taxa):
                states = state_sets[tip, pattern]
                for c in range(n_categories):
                    for i in range(n):
                        total = 0.0
                        for j in range(n):
                            if states >> j & 1:
                                total += matrices[tree, tip, c, i, j]
                        messages[tip, c, i] = total
            log_scale = 0.0
            for inner in range(n_taxa - 2):
                node = n_taxa + inner
                product[:] = messages[children[tree, inner, 0]] * messages[children[tree, inner, 1]]
                largest = product.max()
                if largest > 0.0:
                    log_scale += np.log(largest)
                    product /= largest
                if node == top:
                    messages[node] = product
                    break
                for c in range(n_categories):
                    for i in range(n):
                        total = 0.0
                        for j in range(n):
                            total += matrices[tree, node, c, i, j] * product[c, j]
                        messages[node, c, i] = total
            value = 0.0
            for c in range(n_categories):
                for i in range(n):
                    value += category_weights[c] * root_frequencies[i] * messages[top, c, i] * messages[0, c, i]
            out[tree, pattern] = np.log(value) + log_scale if value > 0.0 else -np.inf
