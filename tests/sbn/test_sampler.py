import numpy as np
import pytest
import torch

from tests.statistics import assert_frequencies
from vbpi_mix.phylo import all_topologies, from_neighbours, random_topologies
from vbpi_mix.sbn import SubsplitBayesianNetworks
from vbpi_mix.sbn.sampler import draw, find_adjacency
from vbpi_mix.seeding import torch_generator
from vbpi_mix.support import build_support, encode


def networks(support, n_components, *, scale=1.5, seed=1):
    noise = torch.randn((n_components, support.n_params), generator=torch_generator(seed), dtype=torch.float64)
    return SubsplitBayesianNetworks(support, n_components, logits=scale * noise)


@pytest.mark.parametrize(("n_taxa", "n_known"), [(3, 1), (4, 2), (5, 15), (6, 12), (6, 105), (7, 25)])
def test_draws_follow_log_prob(n_taxa, n_known):
    everything = all_topologies(n_taxa)
    known = everything[np.random.default_rng(n_known).permutation(len(everything))[:n_known]]
    model = networks(build_support(known), 2)
    index = {x.children.tobytes(): i for i, x in enumerate(everything)}
    component = torch.tensor([0, 1]).repeat(10_000)  # alternating, so that nothing kept for one serves the other
    drawn = model.sample(component, torch_generator(2))
    numbers = np.array([index[x.tobytes()] for x in drawn.topologies.children])
    probabilities = model.log_prob(encode(model.support, everything)).exp().detach().numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)
    for a in range(2):
        counts = np.bincount(numbers[a::2], minlength=len(everything))
        assert_frequencies(counts, probabilities[a])
    if n_known < len(everything) and n_taxa > 4:
        beyond = ~np.isin(np.arange(len(everything)), [index[x.children.tobytes()] for x in known])
        assert (probabilities[0, beyond] > 0).any()
        assert (probabilities[0] == 0).any()


@pytest.mark.parametrize("n_taxa", [3, 4, 7, 30, 64, 65, 70, 130])
def test_draws_are_canonical_and_their_ids_those_of_encode(n_taxa):
    topologies = random_topologies(20, n_taxa, np.random.default_rng(3))
    model = networks(build_support(topologies), 3, scale=0.5)
    drawn = model.sample(torch.tensor([0] * 30 + [2] * 30 + [1] * 5), torch_generator(4))
    encoded = encode(model.support, drawn.topologies)
    for name in ("split_ids", "tripartition_ids", "adjacency_ids"):
        np.testing.assert_array_equal(getattr(drawn, name), getattr(encoded, name))
    assert drawn.topologies.children.dtype == np.int32
    for row in drawn.topologies.children[:10]:  # canonical: rebuilt from its edges it is the same
        np.testing.assert_array_equal(rebuilt(row), row)
    assert torch.isfinite(model.log_prob(drawn)).all()


def rebuilt(children):
    n = len(children) + 2
    neighbours = [[] for _ in range(2 * n - 2)]
    for i, pair in enumerate(children.tolist()):
        for child in pair:
            neighbours[n + i].append(child)
            neighbours[child].append(n + i)
    neighbours[0].append(2 * n - 3)
    neighbours[2 * n - 3].append(0)
    return from_neighbours(neighbours, n)[0].children


def test_a_drawn_tree_may_lack_the_adjacency_at_its_root_only():
    everything = all_topologies(7)
    known = everything[np.random.default_rng(5).permutation(len(everything))[:30]]
    model = networks(build_support(known), 1)
    drawn = model.sample(torch.zeros(2000, dtype=torch.int64), torch_generator(6))
    missing = (drawn.adjacency_ids < 0).sum(axis=1)
    assert set(missing.tolist()) == {0, 1}
    assert (drawn.tripartition_ids >= 0).all()
    assert torch.isfinite(model.log_prob(drawn)).all()


def test_equal_seeds_draw_equally():
    model = networks(build_support(random_topologies(50, 20, np.random.default_rng(7))), 2)
    component = torch.tensor([0, 1, 1, 0])
    first = model.sample(component, torch_generator(8)).topologies.children
    np.testing.assert_array_equal(first, model.sample(component, torch_generator(8)).topologies.children)
    tables = model.log_cpd()
    again = model.sample(component, torch_generator(8), log_cpd=tables).topologies.children
    np.testing.assert_array_equal(first, again)


def test_draw_at_the_edges_of_the_unit_interval():
    values = np.array([0.0, -np.inf, 1.0, 2.0, -800.0])
    entries = np.array([1, 0, 2, 3, 4], dtype=np.int32)
    scratch = np.empty(5)
    below_one = np.nextafter(1.0, 0.0)
    assert draw(values, entries, 0.0, scratch, False) == 0  # never the first, whose probability is zero
    assert draw(values, entries, below_one, scratch, True) == 3  # never the last, whose probability vanishes
    total = 1 + np.e + np.e**2
    assert draw(values, entries, 1 / total + 1e-9, scratch, True) == 2
    assert draw(values, entries, 1 / total - 1e-9, scratch, True) == 0
    assert draw(values, entries[:1], 0.5, scratch, False) == 1


def test_find_adjacency():
    support = build_support(random_topologies(20, 15, np.random.default_rng(9)))
    for i, (above, below, _) in enumerate(support.adjacencies.tolist()):
        assert find_adjacency(support.adjacencies, above, below) == i
    assert find_adjacency(support.adjacencies, 0, 0) == -1
    assert find_adjacency(support.adjacencies, support.n_tripartitions, 0) == -1
