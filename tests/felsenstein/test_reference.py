"""The definition against sums over all states of the internal nodes."""

from itertools import product

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.felsenstein.reference import jc69_log_likelihood, jc69_matrices, tree_log_likelihood
from vbpi_mix.phylo import all_topologies, merge_relabelled


def brute_force(matrices, frequencies, weights, children, patterns):
    """Sum over states of every node, tips included, of products of transition probabilities."""
    n = len(children) + 2
    total = 0.0
    for column, multiplicity in zip(patterns.state_sets.T, patterns.weights, strict=True):
        tips = [[s for s in range(4) if sets >> s & 1] for sets in column]
        site = 0.0
        for c, weight in enumerate(weights):
            p = matrices[:, c]
            for inner in product(range(4), repeat=n - 2):
                top = inner[-1]
                term = weight * frequencies[top] * sum(p[0, top, s] for s in tips[0])
                for state, pair in zip(inner, children, strict=True):
                    for child in pair:
                        below = tips[child] if child < n else [inner[child - n]]
                        term *= sum(p[child, state, s] for s in below)
                site += term
        total += multiplicity * np.log(site)
    return total


@pytest.mark.parametrize(("n_taxa", "n_categories"), [(3, 2), (4, 2), (5, 1)])
def test_equal_to_the_sum_over_internal_states(n_taxa, n_categories):
    generator = np.random.default_rng(n_taxa)
    topologies = all_topologies(n_taxa)[:4]
    patterns = examples.patterns(n_taxa, 5, generator)
    model = examples.random_model(n_categories, generator)
    lengths = generator.exponential(size=(topologies.n_trees, topologies.n_edges))
    arguments = model.arguments(lengths)
    values = tree_log_likelihood(*arguments, topologies, patterns)
    for value, matrices, children in zip(values, arguments[0].numpy(), topologies.children, strict=True):
        expected = brute_force(matrices, model.frequencies, model.weights, children.tolist(), patterns)
        assert float(value) == pytest.approx(expected, rel=1e-13)


def test_jc69_matrices_are_those_of_its_rate_matrix():
    q = examples.gtr(np.ones(6), np.full(4, 0.25))
    times = torch.tensor([0.0, 1e-12, 0.3, 40.0], dtype=torch.float64)
    expected = torch.linalg.matrix_exp(torch.from_numpy(q) * times[:, None, None])
    torch.testing.assert_close(jc69_matrices(times), expected, rtol=1e-13, atol=1e-15)
    off_diagonal = jc69_matrices(times)[1, 0, 1]
    assert float(off_diagonal) == pytest.approx(1e-12 / 3, rel=1e-12)  # not lost beside 1


def test_relabelled_patterns_have_the_same_likelihood():
    generator = np.random.default_rng(0)
    topologies = examples.shapes(3, 6, generator)
    lengths = examples.lengths(topologies, generator)
    patterns = examples.patterns(6, 80, generator, codes="plain")
    merged = merge_relabelled(patterns)
    assert merged.n_patterns < patterns.n_patterns
    values = [jc69_log_likelihood(lengths, topologies, columns) for columns in (patterns, merged)]
    torch.testing.assert_close(*values, rtol=1e-13, atol=0)


def test_the_root_may_be_anywhere_under_a_reversible_model():
    """Taxon 0 is where the tree hangs; relabelling the taxa hangs it elsewhere."""
    generator = np.random.default_rng(1)
    n = 7
    patterns = examples.patterns(n, 30, generator)
    topology = next(iter(examples.shapes(1, n, generator)))
    lengths = generator.exponential(size=topology.n_taxa * 2 - 3)
    order = generator.permutation(n)
    taxa = [f"t{i}" for i in range(n)]
    from vbpi_mix.io.newick import parse_newick

    moved, moved_lengths = parse_newick(topology.newick(taxa, lengths, precision=17), [taxa[i] for i in order])
    assert moved_lengths is not None
    model = examples.random_model(3, generator)
    sets = type(patterns)(state_sets=patterns.state_sets[order], weights=patterns.weights)
    first = tree_log_likelihood(*model.arguments(lengths[None]), topology.batch(), patterns)
    second = tree_log_likelihood(*model.arguments(moved_lengths[None]), moved.batch(), sets)
    assert float(first[0]) == pytest.approx(float(second[0]), rel=1e-12)
