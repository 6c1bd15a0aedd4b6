"""Blocks, workspaces and tasks around the compiled kernels."""

import numpy as np
import pytest

from tests.felsenstein import examples
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.felsenstein.cpu import blocks, general_gradient
from vbpi_mix.phylo import SitePatterns


@pytest.fixture(autouse=True)
def default_threads():
    yield
    set_threads(None)


def random_problem(seed, n_trees, n_taxa, n_patterns):
    """Arguments for `both`."""
    generator = np.random.default_rng(seed)
    topologies = examples.shapes(n_trees, n_taxa, generator)
    patterns = examples.patterns(n_taxa, n_patterns, generator)
    lengths = examples.lengths(topologies, generator).numpy()
    return lengths, examples.random_model(2, generator), topologies, patterns


def both(lengths, model, topologies, patterns):
    jc69 = numba_backend.jc69(lengths, topologies, patterns, with_gradient=True)
    arguments = [a.numpy() for a in model.arguments(lengths)]
    general = numba_backend.general(*arguments, topologies, patterns, with_gradient=True)
    return [*jc69, *general]


@pytest.mark.parametrize("n_taxa", [3, 8, 120])
def test_every_cell_of_the_workspace_is_written_before_it_is_read(monkeypatch, n_taxa):
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(3, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 100, generator, codes="plain")
    lengths = generator.exponential(0.01, size=(3, topologies.n_edges))
    model = examples.random_model(2, generator)
    expected = both(lengths, model, topologies, patterns)
    allocate = numba_backend.aligned_array
    poisoned = []

    def poison(*shape, dtype=np.float64):
        work = allocate(*shape, dtype=dtype)
        work[:] = np.nan
        poisoned.append(work)
        return work

    monkeypatch.setattr(numba_backend, "aligned_array", poison)
    for ours, clean in zip(both(lengths, model, topologies, patterns), expected, strict=True):
        np.testing.assert_array_equal(ours, clean)
        assert np.isfinite(ours).all()
    assert poisoned


def test_one_tree_runs_the_kernel_of_many():
    """A read-only array would be another type, for which the kernel is compiled anew."""
    lengths, model, topologies, patterns = random_problem(3, 2, 6, 10)
    whole = both(lengths, model, topologies, patterns)
    compiled = len(general_gradient.general_kernel.signatures)
    for ours, expected in zip(both(lengths[:1], model, topologies[[0]], patterns), whole, strict=True):
        np.testing.assert_array_equal(ours[0], expected[0])
    assert len(general_gradient.general_kernel.signatures) == compiled


def test_workspaces_are_aligned():
    for shape in ((3, 5), (7, 320), (2, 3, 256)):
        work = numba_backend.aligned_array(*shape)
        assert work.shape == shape
        assert work.ctypes.data % 64 == 0
        assert work.flags.c_contiguous


def test_the_number_of_threads_does_not_change_results_with_enough_trees():
    lengths, model, topologies, patterns = random_problem(0, 5, 12, 200)
    set_threads(1)
    one = both(lengths, model, topologies, patterns)
    set_threads(4)
    for ours, alone in zip(both(lengths, model, topologies, patterns), one, strict=True):
        np.testing.assert_array_equal(ours, alone)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_a_single_tree_is_shared_by_patterns(n_threads):
    lengths, model, topologies, patterns = random_problem(1, 1, 12, 200)
    set_threads(1)
    one = both(lengths, model, topologies, patterns)
    set_threads(n_threads)
    for ours, alone in zip(both(lengths, model, topologies, patterns), one, strict=True):
        np.testing.assert_allclose(ours, alone, rtol=1e-12, atol=1e-12 * np.abs(alone).max())


def test_an_impossible_pattern_in_one_share_of_the_patterns():
    """The gradient of the whole tree is zero, whichever task met the pattern."""
    sets = np.ones((4, 130), dtype=np.uint8)
    sets[1, 0] = 2
    topologies = examples.shapes(1, 4, np.random.default_rng(2))
    set_threads(2)
    values, gradient = numba_backend.jc69(
        np.zeros((1, 5)), topologies, SitePatterns(state_sets=sets, weights=np.ones(130)), with_gradient=True
    )
    assert values.tolist() == [-np.inf]
    assert not gradient.any()


def test_arrays_of_any_order_are_understood():
    generator = np.random.default_rng(3)
    topologies = examples.shapes(3, 6, generator)
    patterns = examples.patterns(6, 20, generator)
    lengths = examples.lengths(topologies, generator).numpy()
    expected, _ = numba_backend.jc69(lengths, topologies, patterns, with_gradient=True)
    frozen = SitePatterns(state_sets=np.asfortranarray(patterns.state_sets), weights=patterns.weights)
    frozen.state_sets.setflags(write=False)
    topologies.children.setflags(write=False)
    values, _ = numba_backend.jc69(lengths, topologies, frozen, with_gradient=True)
    np.testing.assert_array_equal(values, expected)


def test_blocks_are_made_once_for_the_same_patterns(monkeypatch):
    generator = np.random.default_rng(4)
    topologies = examples.shapes(3, 6, generator)
    lengths = examples.lengths(topologies, generator).numpy()
    made = []
    make = blocks._blocks
    monkeypatch.setattr(blocks._CACHE, "_make", lambda *a: made.append(a) or make(*a))
    first, second = (examples.patterns(6, 20, generator) for _ in range(2))
    values = [numba_backend.jc69(lengths, topologies, p, with_gradient=False)[0] for p in (first, first, second, first)]
    assert len(made) == 2
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[3])
    assert (values[0] != values[2]).all()


def test_blocks_of_patterns_that_are_gone_go_too():
    """The next patterns make room; new ones in the old place in memory get blocks of their own."""
    generator = np.random.default_rng(4)
    cache = blocks._BlockCache(blocks._blocks)
    for _ in range(20):
        patterns = examples.patterns(6, 20, generator)
        states, weights = cache.get(patterns, 64)
        assert np.array_equal(states[0, :, :20], patterns.state_sets)
        assert np.array_equal(weights[0, :20], patterns.weights)
        assert cache.get(patterns, 64)[0] is states
        del patterns
        assert len(cache._entries) <= 2


@pytest.mark.parametrize(("n_taxa", "n_copies"), [(6, 120), (150, 4)])
def test_categories_whose_messages_do_not_fit_are_done_again(n_taxa, n_copies):
    """Copies of the categories with weight zero change no bit of the others' derivatives."""
    generator = np.random.default_rng(5)
    topologies = examples.shapes(3, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 100, generator, codes="plain")
    lengths = generator.exponential(0.01, size=(3, topologies.n_edges))
    model = examples.random_model(4, generator)
    matrices, frequencies, weights = (a.numpy() for a in model.arguments(lengths))
    generators = model.rates[:, None, None] * model.q
    results = []
    for n, fits in ((1, True), (n_copies, False)):
        kept = numba_backend._general_workspace(n_taxa, topologies.n_edges, 4 * n, np.float64)[1]
        assert len(kept) == (4 if fits else 1)
        rest = (frequencies, np.append(weights, np.zeros(4 * n - 4)), topologies, patterns)
        copies = np.tile(matrices, (1, 1, n, 1, 1))
        values, of_matrices, of_frequencies, of_weights = numba_backend.general(copies, *rest, with_gradient=True)
        by_lengths = numba_backend.by_lengths(copies, np.tile(generators, (n, 1, 1)), *rest, with_gradient=True)
        results.append([values, of_matrices[:, :, :4], of_frequencies, of_weights[:, :4], *by_lengths])
    for once, again in zip(*results, strict=True):
        np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("count", [1, 2, 7, 20, 4000])
@pytest.mark.parametrize("n_threads", [1, 2, 16])
def test_ranges_of_trees_fall_in_size_and_leave_none_out(count, n_threads):
    ranges = blocks._falling_ranges(count, n_threads)
    assert [i for first, last in ranges for i in range(first, last)] == list(range(count))
    sizes = [last - first for first, last in ranges]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] <= -(-count // (2 * n_threads))
    assert sizes[-1] == 1
