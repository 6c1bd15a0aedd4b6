"""From arrays to the compiled kernels for any number of states."""

from collections.abc import Callable

import numpy as np

from vbpi_mix.felsenstein.cpu.arrays import aligned_array, child_array, for_each_tree, sum_of_shares
from vbpi_mix.felsenstein.cpu.blocks import Range, pattern_codes, work_shares
from vbpi_mix.felsenstein.cpu.general_gradient import BLOCK
from vbpi_mix.felsenstein.cpu.wide_gradient import wide_kernel
from vbpi_mix.felsenstein.cpu.wide_hessian import wide_hessian_kernel
from vbpi_mix.felsenstein.cpu.wide_matrices import exponentials, tables_of_tips
from vbpi_mix.felsenstein.cpu.wide_rows import width_of
from vbpi_mix.felsenstein.exponentials import divided_differences
from vbpi_mix.phylo import SitePatterns, TopologyBatch
from vbpi_mix.threads import get_threads, run_tasks

_BYTES_AT_ONCE = 2**25  # transition matrices that exist at a time
_Workspace = tuple[np.ndarray, ...]
Spectra = tuple[np.ndarray, np.ndarray, np.ndarray]


def by_lengths(
    matrices: np.ndarray,
    generators: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(T,) log-likelihoods and (T, E) derivatives in the lengths, as `backend.by_lengths` for any number of states."""
    width = width_of(patterns.n_states)
    by_category = padded(matrices.transpose(0, 2, 1, 3, 4), width)
    value, slopes, *_ = _evaluate(
        lambda trees: by_category[trees], padded(generators[None], width), frequencies, category_weights, topologies,
        patterns, with_gradient=with_gradient, with_matrices=False,
    )  # fmt: skip
    return value, slopes.sum(axis=1)


def by_spectrum(
    lengths: np.ndarray,
    values: np.ndarray,
    products: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """As `by_lengths`, for rate matrices sum_k values[c, k] products[k]; values (C, n), products (n, n, n)."""
    width = width_of(patterns.n_states)
    of_values = padded(products, width)
    generators = np.tensordot(values, of_values, 1)[None]

    def make(trees: slice) -> np.ndarray:
        changes = np.expm1(lengths[trees, None, :, None] * values[:, None, :])
        return _exponentials(changes, of_values.reshape(len(of_values), -1), patterns.n_states)

    value, slopes, *_ = _evaluate(
        make, generators, frequencies, category_weights, topologies, patterns,
        with_gradient=with_gradient, with_matrices=False,
    )  # fmt: skip
    return value, slopes.sum(axis=1)


def general(
    matrices: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(T,) log-likelihoods; derivatives in matrices (T, E, C, n, n), frequencies (T, n) and weights (T, C)."""
    n, width = patterns.n_states, width_of(patterns.n_states)
    by_category = padded(matrices.transpose(0, 2, 1, 3, 4), width)
    none = np.zeros((1, by_category.shape[1], width, width))
    value, _, of_matrices, of_frequencies, of_weights = _evaluate(
        lambda trees: by_category[trees], none, frequencies, category_weights, topologies, patterns,
        with_gradient=with_gradient, with_matrices=with_gradient,
    )  # fmt: skip
    if not with_gradient:
        of_matrices = np.zeros((*by_category.shape[:3], width, width))
    return value, of_matrices.transpose(0, 2, 1, 3, 4)[..., :n, :n], of_frequencies, of_weights


def by_rates(
    lengths: np.ndarray,
    rate_matrices: np.ndarray,
    spectra: Spectra,
    rates: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
    with_matrices: bool,
) -> tuple[np.ndarray, ...]:
    """As `backend.by_rates`, for any number of states.

    Arguments:
        lengths: (T, E).
        rate_matrices: (T, n, n).
        spectra: values (T, n), left (T, n, n) and right (T, n, n) of the rate matrices left diag(values) right; or of
            a single one that all trees share.
        rates: (T, C) of the categories.
        frequencies: (T, n) of the root.
        category_weights: (T, C).
        topologies: T topologies.
        patterns: site patterns.
        with_gradient: whether derivatives are wanted (zeros if not).
        with_matrices: whether those in the rate matrices are, too (zeros if not).

    Returns:
        Values, and derivatives in lengths (T, E), rate matrices (T, n, n), rates (T, C), frequencies (T, n) and
        category weights (T, C).
    """
    values, left, right = spectra
    n, width = patterns.n_states, width_of(patterns.n_states)
    n_trees = len(lengths)
    products = padded(left.transpose(0, 2, 1)[..., None] * right[:, :, None, :], width)
    products = products.reshape(len(values), n, width * width)
    generators = np.repeat(padded(rate_matrices[: len(values), None], width), rates.shape[1], axis=1)

    def make(trees: slice) -> np.ndarray:
        own = trees if len(values) > 1 else slice(0, 1)
        times = rates[trees, :, None] * lengths[trees, None, :]
        return _exponentials(np.expm1(times[..., None] * values[own, None, None]), products[own], n)

    value, slopes, of_matrices, of_frequencies, of_weights = _evaluate(
        make, generators, frequencies, category_weights, topologies, patterns,
        with_gradient=with_gradient, with_matrices=with_gradient and with_matrices,
    )  # fmt: skip
    of_lengths = np.einsum("tc,tce->te", rates, slopes) if with_gradient else np.zeros_like(lengths)
    of_rates = np.einsum("te,tce->tc", lengths, slopes) if with_gradient else np.zeros_like(rates)
    of_generators = np.zeros((n_trees, n, n))
    if with_gradient and with_matrices:
        for t in range(n_trees):
            own = t if len(values) > 1 else 0
            times = rates[t, :, None] * lengths[t]
            of_generators[t] = _contract(of_matrices[t, ..., :n, :n], values[own], left[own], right[own], times)
    return value, of_lengths, of_generators, of_rates, of_frequencies, of_weights


def _exponentials(changes: np.ndarray, products: np.ndarray, n: int) -> np.ndarray:
    """(T, C, E, width, width) transition matrices from exp(values t) - 1 (T, C, E, n)."""
    n_trees, n_categories, n_edges, _ = changes.shape
    width = width_of(n)
    matrices = np.empty((n_trees, n_categories, n_edges, width, width))
    flat, changes = matrices.reshape(n_trees, -1, width * width), np.ascontiguousarray(changes).reshape(n_trees, -1, n)
    if products.ndim == 2 or len(products) == 1:
        shared = np.ascontiguousarray(products.reshape(n, -1))
        exponentials(changes.reshape(-1, n), shared, n, flat.reshape(-1, width * width))
    else:
        for t in range(n_trees):
            exponentials(changes[t], np.ascontiguousarray(products[t]), n, flat[t])
    return matrices


def _contract(
    of_matrices: np.ndarray, values: np.ndarray, left: np.ndarray, right: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """(n, n) derivatives in the rate matrix of those in transition matrices (C, E, n, n) of times (C, E).

    See `matrices_by_rates`.
    """
    turned = left.T @ of_matrices @ right.T
    return right.T @ (divided_differences(values, times) * turned).sum(axis=(0, 1)) @ left.T


def _evaluate(
    make: Callable[[slice], np.ndarray],
    generators: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
    with_matrices: bool,
) -> tuple[np.ndarray, ...]:
    """Values, slopes (T, C, E), and derivatives in matrices (T, C, E, width, width), frequencies and weights.

    Arguments:
        make: the transition matrices (t, C, E, width, width) of a slice of the trees.
        generators: (1, C, width, width), or with T.
        frequencies: (n,) or (T, n).
        category_weights: (C,) or (T, C).
        topologies: T topologies.
        patterns: site patterns.
        with_gradient: whether to compute the gradient, as in `wide_gradient.wide_kernel`.
        with_matrices: likewise.
    """
    codes, weights, sets = pattern_codes(patterns, BLOCK)
    n_trees, n_edges = topologies.n_trees, topologies.n_edges
    width = width_of(patterns.n_states)
    tip_table = padded_rows(sets, width).T.copy()
    of_root = padded_rows(for_each_tree(frequencies, n_trees), width)
    of_categories = for_each_tree(category_weights, n_trees)
    n_categories = of_categories.shape[1]
    results = (
        np.zeros(n_trees),
        np.zeros((n_trees, n_categories, n_edges if with_gradient else 0)),
        np.zeros((n_trees, n_categories, n_edges, width, width) if with_matrices else (0,) * 5),
        np.zeros((n_trees, width)),
        np.zeros((n_trees, n_categories)),
    )
    at_once = max(1, _BYTES_AT_ONCE // (8 * n_categories * n_edges * width * width))
    children = child_array(topologies)
    for first in range(0, n_trees, at_once):
        part = slice(first, min(first + at_once, n_trees))
        matrices = np.ascontiguousarray(make(part))
        own = np.ascontiguousarray(generators[part] if len(generators) > 1 else generators)
        shape = (*matrices.shape[:2], patterns.n_taxa, *tip_table.shape)
        tables, slopes = np.empty(shape), np.empty(shape)
        tables_of_tips(matrices, own, tip_table, tables, slopes)
        model = matrices, own, tables, slopes, tip_table, of_root[part], of_categories[part]
        found = _run(model, children[part], codes, weights, with_gradient=with_gradient, with_matrices=with_matrices)
        for result, new in zip(results, found, strict=True):
            if result.shape[0]:
                result[part] = new
    value, slopes, of_matrices, of_frequencies, of_weights = results
    return value, slopes, of_matrices, of_frequencies[:, : patterns.n_states], of_weights


def _run(
    model: tuple[np.ndarray, ...],
    children: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    *,
    with_gradient: bool,
    with_matrices: bool,
) -> list[np.ndarray]:
    """Outputs of the kernel on trees whose matrices are there, summed over the shares of the patterns."""
    n_trees, n_categories, n_edges, width, _ = model[0].shape
    trees, blocks = work_shares(n_trees, len(codes))
    shapes = (
        (n_trees,),
        (n_trees, n_categories, n_edges if with_gradient else 0),
        (n_trees, n_categories, n_edges, width, width) if with_matrices else (0,) * 5,
        (n_trees, width),
        (n_trees, n_categories),
    )
    outputs = [np.zeros((len(blocks), *shape)) for shape in shapes]

    kernel: Callable[..., None] = wide_kernel

    def task(i: int, tree_range: Range) -> Callable[[_Workspace], None]:
        results = [output[i] for output in outputs]
        return lambda work: kernel(
            *model, children, codes, weights, tree_range, blocks[i], with_gradient, with_matrices, *work, *results
        )

    def workspace() -> _Workspace:
        size, n_taxa = width * BLOCK, codes.shape[1]
        return (
            aligned_array(n_categories, n_edges + 1, size),
            aligned_array(4, size),
            aligned_array(n_categories, n_taxa - 2, BLOCK),
            aligned_array(3 * n_categories, BLOCK),
        )

    run_tasks([task(i, tree_range) for i in range(len(blocks)) for tree_range in trees], workspace, get_threads())
    total = outputs[0].sum(axis=0)
    return [total, *(sum_of_shares(total, output) if output.shape[1] else output[0] for output in outputs[1:])]


def padded(matrices: np.ndarray, width: int) -> np.ndarray:
    """(..., width, width) of matrices (..., n, n), zero where filled up; contiguous."""
    n = matrices.shape[-1]
    out = np.zeros((*matrices.shape[:-2], width, width))
    out[..., :n, :n] = matrices
    return out


def padded_rows(rows: np.ndarray, width: int) -> np.ndarray:
    """(..., width) of rows (..., n), zero where filled up; contiguous."""
    out = np.zeros((*rows.shape[:-1], width))
    out[..., : rows.shape[-1]] = rows
    return out


def hessian_by_spectrum(
    lengths: np.ndarray,
    values: np.ndarray,
    products: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T,) log-likelihoods, (T, E) gradients and (T, E, E) Hessians in the lengths; arguments as in `by_spectrum`."""
    codes, weights, sets = pattern_codes(patterns, BLOCK)
    n, width = patterns.n_states, width_of(patterns.n_states)
    n_trees, n_edges = lengths.shape
    n_categories, n_taxa = len(values), patterns.n_taxa
    tip_table = padded_rows(sets, width).T.copy()
    of_values = padded(products, width)
    generators = np.tensordot(values, of_values, 1)
    root = padded_rows(frequencies, width)
    children = child_array(topologies)
    changes = np.expm1(lengths[:, None, :, None] * values[:, None, :])
    matrices = _exponentials(changes, of_values.reshape(n, -1), n)
    tables = matrices[:, :, :n_taxa] @ tip_table
    first = generators[:, None] @ tables
    model = matrices, generators, tables, first, generators[:, None] @ first, root, category_weights
    trees, blocks = work_shares(n_trees, len(codes))
    shapes = (n_trees,), (n_trees, n_edges), (n_trees, n_edges, n_edges)
    outputs = [np.zeros((len(blocks), *shape)) for shape in shapes]

    kernel: Callable[..., None] = wide_hessian_kernel

    def task(i: int, tree_range: Range) -> Callable[[_Workspace], None]:
        results = [output[i] for output in outputs]
        return lambda work: kernel(*model, children, codes, weights, tree_range, blocks[i], *work, *results)

    def workspace() -> _Workspace:
        size = width * BLOCK
        rows = n_edges + 1
        return (
            aligned_array(n_categories, rows, size),
            aligned_array(rows, size),
            aligned_array(rows, size),
            aligned_array(n_edges, size),
            aligned_array(4, size),
            aligned_array(n_categories, n_taxa - 2, BLOCK),
            aligned_array(3 * n_categories + n_edges, BLOCK),
        )

    run_tasks([task(i, tree_range) for i in range(len(blocks)) for tree_range in trees], workspace, get_threads())
    total = outputs[0].sum(axis=0)
    return total, sum_of_shares(total, outputs[1]), sum_of_shares(total, outputs[2])
