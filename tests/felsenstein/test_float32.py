"""Partial likelihoods in float32: their stated error, what they cannot hold, what is refused."""

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.errors import BackendError, InputError
from vbpi_mix.felsenstein import jc69_log_likelihood, length_log_likelihood, tree_log_likelihood
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.phylo import SitePatterns, merge_relabelled, random_topologies, site_patterns

# as `jc69_log_likelihood` states it
VALUE_ERROR = 1e-7
GRADIENT_ERROR = 1e-6


def jc69(lengths, topologies, patterns, dtype):
    leaf = lengths.clone().requires_grad_()
    values = jc69_log_likelihood(leaf, topologies, patterns, dtype=dtype)
    return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]


def any_model(arguments, topologies, patterns, dtype):
    leaves = [a.clone().requires_grad_() for a in arguments]
    values = tree_log_likelihood(*leaves, topologies, patterns, dtype=dtype)
    return values.detach(), *torch.autograd.grad(values.sum(), leaves)


def assert_within(results, n_sites):
    (values, *gradients), (exact, *slopes) = results
    assert values.dtype == torch.float64
    assert float(((values - exact) / exact).abs().max()) < VALUE_ERROR
    for gradient, slope in zip(gradients, slopes, strict=True):
        assert float((gradient - slope).abs().max()) < GRADIENT_ERROR * max(n_sites, float(slope.abs().max()))


@pytest.mark.parametrize("data", ["DS1", "DS2", "DS3", "DS4", "DS5", "DS6", "DS7", "DS8"])
def test_stated_error(repository, data):
    patterns = merge_relabelled(site_patterns(read_alignment(repository / "data" / "alignments" / f"{data}.fasta")))
    generator = np.random.default_rng(1)
    topologies = random_topologies(5, patterns.n_taxa, generator)
    for mean in (0.1, 0.001):
        lengths = torch.from_numpy(generator.exponential(mean, size=(5, topologies.n_edges)))
        results = [jc69(lengths, topologies, patterns, dtype) for dtype in (torch.float32, torch.float64)]
        assert_within(results, patterns.n_sites)
        assert not torch.equal(results[0][0], results[1][0])


@pytest.mark.parametrize("n_taxa", [3, 20, 300])
@pytest.mark.parametrize("n_categories", [1, 3])
def test_any_model(n_taxa, n_categories):
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(3, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 100, generator)
    lengths = generator.exponential(0.1, size=(3, topologies.n_edges))
    arguments = examples.random_model(n_categories, generator).arguments(lengths)
    results = [any_model(arguments, topologies, patterns, dtype) for dtype in (torch.float32, torch.float64)]
    # gradients in single entries of the matrices are large for entries close to zero: look at those that matter
    for values in results:
        values[1].mul_(arguments[0])
    assert_within([r[:2] for r in results], patterns.n_sites)


def test_what_float32_cannot_hold_is_done_in_float64():
    """Conflicts across branches of 1e-60 in one tree of two, in every pattern or in one."""
    generator = np.random.default_rng(8)
    topologies = examples.shapes(2, 64, generator)
    conflicts = examples.patterns(64, 5, generator, codes="plain")
    constant = np.ones((64, 5), dtype=np.uint8)
    mixed = SitePatterns(state_sets=np.hstack([constant, conflicts.state_sets[:, :1]]), weights=np.ones(6))
    for patterns in (conflicts, mixed):
        lengths = torch.full((2, topologies.n_edges), 1e-60, dtype=torch.float64)
        lengths[1] = 0.1
        values, gradient = jc69(lengths, topologies, patterns, torch.float32)
        exact, slope = jc69(lengths, topologies, patterns, torch.float64)
        assert values[0] == exact[0]
        assert torch.equal(gradient[0], slope[0])
        assert values[1] != exact[1]
        model = examples.random_model(1, generator)
        arguments = model.arguments(lengths.numpy())
        # scipy's exponential has no entries of 1e-60
        arguments = (torch.where(arguments[0] == 0, 1e-60, arguments[0]), *arguments[1:])
        ours, exactly = (any_model(arguments, topologies, patterns, d) for d in (torch.float32, torch.float64))
        for x, y in zip(ours[:2], exactly[:2], strict=True):
            assert torch.equal(x[0], y[0])


def test_impossible_data_stay_impossible():
    sets = np.ones((4, 3), dtype=np.uint8)
    sets[1, 0] = 2
    patterns = SitePatterns(state_sets=sets, weights=np.ones(3))
    topologies = examples.shapes(1, 4, np.random.default_rng(2))
    values, gradient = jc69(torch.zeros(1, 5, dtype=torch.float64), topologies, patterns, torch.float32)
    assert values.tolist() == [-np.inf]
    assert not gradient.any()


def test_one_category_that_cannot_produce_the_data():
    """An invariant category is zero for variable patterns; that is no loss of digits."""
    generator = np.random.default_rng(4)
    topologies = examples.shapes(2, 80, generator)
    patterns = examples.patterns(80, 70, generator, codes="plain")
    lengths = generator.exponential(0.1, size=(2, topologies.n_edges))
    arguments = examples.random_model(2, generator).arguments(lengths)
    assert (arguments[0][:, :, 0] == torch.eye(4)).all()
    values = [tree_log_likelihood(*arguments, topologies, patterns, dtype=d) for d in (torch.float32, torch.float64)]
    assert not torch.equal(*values)
    torch.testing.assert_close(*values, rtol=VALUE_ERROR, atol=0)


def test_gradients_in_lengths():
    generator = np.random.default_rng(5)
    topologies = examples.shapes(3, 30, generator)
    patterns = examples.patterns(30, 100, generator)
    lengths = torch.from_numpy(generator.exponential(0.1, size=(3, topologies.n_edges)))
    model = examples.random_model(3, generator)
    results = []
    for dtype in (torch.float32, torch.float64):
        leaf = lengths.clone().requires_grad_()
        matrices, frequencies, weights = model.arguments(lengths.numpy())
        generators = torch.from_numpy(model.rates[:, None, None] * model.q)
        values = length_log_likelihood(
            leaf, matrices, generators, frequencies, weights, topologies, patterns, dtype=dtype
        )
        results.append((values.detach(), *torch.autograd.grad(values.sum(), leaf)))
    assert_within(results, patterns.n_sites)


def test_what_is_refused():
    generator = np.random.default_rng(6)
    topologies = examples.shapes(2, 5, generator)
    patterns = examples.patterns(5, 3, generator)
    lengths = examples.lengths(topologies, generator)
    with pytest.raises(BackendError, match="float64 only"):
        jc69_log_likelihood(lengths, topologies, patterns, backend="reference", dtype=torch.float32)
    with pytest.raises(BackendError, match="unknown likelihood backend"):
        jc69_log_likelihood(lengths, topologies, patterns, backend="fast", dtype=torch.float32)
    with pytest.raises(InputError, match="float16"):
        jc69_log_likelihood(lengths, topologies, patterns, dtype=torch.float16)
