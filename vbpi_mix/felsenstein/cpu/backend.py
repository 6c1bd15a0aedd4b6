"""From arrays to compiled kernels: aligned workspaces, one task per thread."""

from collections.abc import Callable

import numpy as np

from vbpi_mix.felsenstein.cpu import (
    general_gradient,
    general_length_gradient,
    jc69_gradient,
    matrices_by_rates,
    matrices_by_spectrum,
)
from vbpi_mix.felsenstein.cpu.arrays import aligned_array, child_array, for_each_tree, sum_of_shares
from vbpi_mix.felsenstein.cpu.blocks import Range, pattern_blocks, work_shares
from vbpi_mix.phylo import SitePatterns, TopologyBatch
from vbpi_mix.threads import get_threads, run_tasks

_CACHED_BYTES = 2**23  # beyond this, messages of all categories would come from memory: slower than to redo them
_GeneralWorkspace = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def jc69(
    lengths: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
    dtype: type[np.floating] = np.float64,
) -> tuple[np.ndarray, np.ndarray]:
    """(T,) log-likelihoods and (T, E) derivatives in the branch lengths (zeros if not wanted).

    With float32 partial likelihoods, trees on which they lose their digits are done again in float64.
    """
    n_trees, n_edges = lengths.shape
    states, weights = pattern_blocks(patterns, jc69_gradient.BLOCK)
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    gradient = np.zeros((len(blocks), n_trees, n_edges if with_gradient else 0))
    children = child_array(topologies)

    def task(i: int, block_range: Range, tree_range: Range) -> Callable[[np.ndarray], None]:
        def run(work: np.ndarray) -> None:
            jc69_gradient.jc69_kernel(
                lengths, children, states, weights, tree_range, block_range, with_gradient,
                work, values[i], gradient[i],
            )  # fmt: skip

        return run

    tasks = [task(i, block_range, tree_range) for i, block_range in enumerate(blocks) for tree_range in trees]
    run_tasks(tasks, lambda: aligned_array(n_edges + 2, jc69_gradient.SIZE, dtype=dtype), get_threads())
    total = values.sum(axis=0)
    results = total, sum_of_shares(total, gradient)
    for lost in _lost(total, dtype):
        _replace(results, lost, jc69(lengths[lost], topologies[lost], patterns, with_gradient=with_gradient))
    return results


def by_lengths(
    matrices: np.ndarray,
    generators: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
    dtype: type[np.floating] = np.float64,
) -> tuple[np.ndarray, np.ndarray]:
    """As `jc69`, for any model: matrices (T, E, C, 4, 4), of derivatives `generators` @ matrices in the lengths."""
    results = _by_lengths(
        _by_category(matrices, dtype), None, generators, frequencies, category_weights, topologies, patterns,
        with_gradient,
    )  # fmt: skip
    for lost in _lost(results[0], dtype):
        again = by_lengths(
            matrices[lost], generators, frequencies, category_weights, topologies[lost], patterns,
            with_gradient=with_gradient,
        )  # fmt: skip
        _replace(results, lost, again)
    return results


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
    dtype: type[np.floating] = np.float64,
) -> tuple[np.ndarray, np.ndarray]:
    """As `jc69`, for rate matrices sum_k values[c, k] products[k], values (C, 4) and products (4, 4, 4)."""
    by_category = np.empty((len(lengths), len(values), lengths.shape[1], 4, 4), dtype)
    flat, flat_products = by_category.reshape(*by_category.shape[:3], 16), products.reshape(4, 16)
    generators = (values @ flat_products).reshape(-1, 4, 4)

    def prepare(tree_range: Range) -> None:
        matrices_by_spectrum.spectral_matrices(lengths, values, flat_products, tree_range, flat)

    results = _by_lengths(
        by_category, prepare, generators, frequencies, category_weights, topologies, patterns,
        with_gradient,
    )  # fmt: skip
    for lost in _lost(results[0], dtype):
        again = by_spectrum(
            lengths[lost], values, products, frequencies, category_weights, topologies[lost], patterns,
            with_gradient=with_gradient,
        )  # fmt: skip
        _replace(results, lost, again)
    return results


def _by_lengths(
    by_category: np.ndarray,
    prepare: Callable[[Range], None] | None,
    generators: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    with_gradient: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives from matrices (T, C, E, 4, 4), which `prepare` writes, by trees, where it is given."""
    n_trees, _, n_edges = by_category.shape[:3]
    states, weights = pattern_blocks(patterns, general_gradient.BLOCK)
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    gradient = np.zeros((len(blocks), n_trees, n_edges if with_gradient else 0))
    children = child_array(topologies)
    slopes = generators.astype(by_category.dtype)

    def climb(i: int, block_range: Range, tree_range: Range, work: _GeneralWorkspace) -> None:
        general_length_gradient.length_kernel(
            by_category, slopes, frequencies, category_weights, children, states, weights,
            tree_range, block_range, with_gradient, *work, values[i], gradient[i],
        )  # fmt: skip

    _run_shares(by_category, patterns.n_taxa, trees, blocks, prepare, climb)
    total = values.sum(axis=0)
    return total, sum_of_shares(total, gradient)


def general(
    matrices: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
    dtype: type[np.floating] = np.float64,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(T,) log-likelihoods and their derivatives in matrices (T, E, C, 4, 4), frequencies (T, 4), weights (T, C).

    Frequencies (4,) and weights (C,) are those of all trees.
    """
    n_trees = len(matrices)
    of_trees = for_each_tree(frequencies, n_trees), for_each_tree(category_weights, n_trees)
    results = _from_categories(
        _by_category(matrices, dtype), None, *of_trees, topologies, patterns, with_gradient=with_gradient
    )
    total, of_matrices, of_frequencies, of_weights = results
    results = total, of_matrices.transpose(0, 2, 1, 3, 4), of_frequencies, of_weights
    for lost in _lost(total, dtype):
        model = of_trees[0][lost], of_trees[1][lost]
        again = general(matrices[lost], *model, topologies[lost], patterns, with_gradient=with_gradient)
        _replace(results, lost, again)
    return results


def by_rates(
    lengths: np.ndarray,
    spectra: tuple[np.ndarray, np.ndarray, np.ndarray],
    rates: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
    dtype: type[np.floating] = np.float64,
) -> tuple[np.ndarray, ...]:
    """(T,) log-likelihoods of trees that each have a reversible model of their own, and all their derivatives.

    Arguments:
        lengths: (T, E).
        spectra: values (T, 4), left (T, 4, 4) and right (T, 4, 4) of the rate matrices left diag(values) right.
        rates: (T, C) of the categories.
        frequencies: (T, 4) of the root.
        category_weights: (T, C).
        topologies: T topologies.
        patterns: site patterns.
        with_gradient: whether derivatives are wanted (zeros if not).
        dtype: data type of the partial likelihoods; trees on which float32 loses its digits are done again in float64.

    Returns:
        Values, and derivatives in lengths (T, E), rate matrices (T, 4, 4), rates (T, C), frequencies (T, 4) and
        category weights (T, C).
    """
    values, left, right = spectra
    n_trees, n_edges = lengths.shape
    by_category = np.empty((n_trees, rates.shape[1], n_edges, 4, 4), dtype)
    flat = by_category.reshape(*by_category.shape[:3], 16)
    products = np.ascontiguousarray((left.transpose(0, 2, 1)[..., None] * right[:, :, None, :]).reshape(n_trees, 4, 16))

    def prepare(tree_range: Range) -> None:
        matrices_by_rates.matrices_of_trees(lengths, rates, values, products, tree_range, flat)

    total, of_matrices, of_frequencies, of_weights = _from_categories(
        by_category, prepare, frequencies, category_weights, topologies, patterns, with_gradient=with_gradient
    )
    of_lengths, of_generators, of_rates = np.zeros_like(lengths), np.zeros((n_trees, 4, 4)), np.zeros_like(rates)
    if with_gradient:
        matrices_by_rates.contract(
            lengths, rates, values, left, right, of_matrices, (0, n_trees), of_lengths, of_rates, of_generators
        )
    results = total, of_lengths, of_generators, of_rates, of_frequencies, of_weights
    for lost in _lost(total, dtype):
        spectra_of_lost = values[lost], left[lost], right[lost]
        model = (spectra_of_lost, rates[lost], frequencies[lost], category_weights[lost])
        again = by_rates(lengths[lost], *model, topologies[lost], patterns, with_gradient=with_gradient)
        _replace(results, lost, again)
    return results


def _from_categories(
    by_category: np.ndarray,
    prepare: Callable[[Range], None] | None,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values and derivatives from matrices (T, C, E, 4, 4), which `prepare` writes, by trees, where it is given.

    The derivatives are those in the matrices, in frequencies (T, 4) and in category weights (T, C).
    """
    n_trees, n_categories, n_edges = by_category.shape[:3]
    states, weights = pattern_blocks(patterns, general_gradient.BLOCK)
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    of_matrices = np.zeros((len(blocks), n_trees, n_categories, n_edges if with_gradient else 0, 4, 4))
    of_frequencies = np.zeros((len(blocks), n_trees, 4))
    of_weights = np.zeros((len(blocks), n_trees, n_categories))
    children = child_array(topologies)

    def climb(i: int, block_range: Range, tree_range: Range, work: _GeneralWorkspace) -> None:
        general_gradient.general_kernel(
            by_category, frequencies, category_weights, children, states, weights,
            tree_range, block_range, with_gradient,
            *work, values[i], of_matrices[i], of_frequencies[i], of_weights[i],
        )  # fmt: skip

    _run_shares(by_category, patterns.n_taxa, trees, blocks, prepare, climb)
    total = values.sum(axis=0)
    return (
        total,
        sum_of_shares(total, of_matrices),
        sum_of_shares(total, of_frequencies),
        sum_of_shares(total, of_weights),
    )


def _run_shares(
    by_category: np.ndarray,
    n_taxa: int,
    trees: list[Range],
    blocks: list[Range],
    prepare: Callable[[Range], None] | None,
    climb: Callable[[int, Range, Range, _GeneralWorkspace], None],
) -> None:
    """Climb every share of the trees for every share of the blocks, one task each.

    Arguments:
        by_category: (T, C, E, 4, 4) transition matrices.
        n_taxa: N.
        trees: shares of the trees, see `blocks.work_shares`.
        blocks: shares of the blocks of patterns.
        prepare: writes the matrices of some trees, if they are not there yet.
        climb: takes the number of the share of blocks, its blocks, trees, and a workspace.
    """
    if prepare is not None and len(blocks) > 1:  # several tasks use the matrices of a tree
        prepare((0, len(by_category)))
        prepare = None

    def task(i: int, block_range: Range, tree_range: Range) -> Callable[[_GeneralWorkspace], None]:
        def run(work: _GeneralWorkspace) -> None:
            if prepare is not None:
                prepare(tree_range)
            climb(i, block_range, tree_range, work)

        return run

    _, n_categories, n_edges = by_category.shape[:3]
    tasks = [task(i, block_range, tree_range) for i, block_range in enumerate(blocks) for tree_range in trees]
    run_tasks(tasks, lambda: _general_workspace(n_taxa, n_edges, n_categories, by_category.dtype.type), get_threads())


def _by_category(matrices: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    return np.ascontiguousarray(matrices.transpose(0, 2, 1, 3, 4), dtype=dtype)


def _general_workspace(n_taxa: int, n_edges: int, n_categories: int, dtype: type[np.floating]) -> _GeneralWorkspace:
    size, block = general_gradient.SIZE, general_gradient.BLOCK
    fits = n_categories * (n_edges + 1) * size * np.dtype(dtype).itemsize <= _CACHED_BYTES
    return (
        aligned_array(n_taxa, size, dtype=dtype),
        aligned_array(n_categories if fits else 1, n_edges + 1, size, dtype=dtype),
        aligned_array(1, size, dtype=dtype),
        aligned_array(3 * n_categories + 1, block, dtype=dtype),
    )


def _lost(values: np.ndarray, dtype: type[np.floating]) -> list[np.ndarray]:
    """The trees that float32 was not enough for, in one array or none."""
    lost = np.flatnonzero(~np.isfinite(values))
    return [lost] if dtype == np.float32 and len(lost) else []


def _replace(results: tuple[np.ndarray, ...], trees: np.ndarray, by: tuple[np.ndarray, ...]) -> None:
    for result, part in zip(results, by, strict=True):
        result[trees] = part
