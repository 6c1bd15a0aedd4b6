"""Credible sets, centres, rogue taxa and islands, against their definitions on all topologies of five and six taxa."""

import numpy as np
import pytest

from tests.phylo.test_constraint_counts import names
from vbpi_mix.phylo import all_topologies, nni_neighbours
from vbpi_mix.phylo.distances import robinson_foulds
from vbpi_mix.phylo.topology import from_neighbours, stack
from vbpi_mix.posterior.questions.centre import mean_distance, medoid, most_probable
from vbpi_mix.posterior.questions.credible import credible_level, credible_sets
from vbpi_mix.posterior.questions.hypotheses import TopologyDraws
from vbpi_mix.posterior.questions.islands import islands
from vbpi_mix.posterior.questions.rogues import rogue_taxa

SIX = all_topologies(6)


def weighted(topologies, p):
    return TopologyDraws(
        taxa=names(topologies.n_taxa), topologies=topologies, weights=np.asarray(p) / np.sum(p), effective_size=1000.0
    )


def random_draws(seed, n=30):
    generator = np.random.default_rng(seed)
    chosen = generator.choice(SIX.n_trees, n, replace=False)
    return weighted(SIX[chosen], generator.dirichlet(np.full(n, 0.4)))


def test_credible_sets_are_the_smallest_that_hold_the_level():
    draws = random_draws(1)
    for found in credible_sets(draws, draws.probability):
        ladder = np.sort(draws.probability)[::-1].cumsum()
        assert found.probability == pytest.approx(ladder[found.n_topologies - 1])
        assert found.probability >= found.level - 1e-12
        assert found.n_topologies == 1 or ladder[found.n_topologies - 2] < found.level
    single = credible_sets(draws, draws.probability, levels=[1e-9])[0]
    assert (single.n_topologies, single.n_splits, single.n_subsplits) == (1, 3, 4)


def test_a_level_is_what_ranks_higher():
    draws = random_draws(2)
    score = draws.probability
    order = np.argsort(-score)
    for rank in (0, 3, 12):
        i = order[rank]
        level = credible_level(draws, score, draws.distinct.children[i], float(score[i]))
        assert level.better == pytest.approx(score[order[:rank]].sum())
        assert level.level == pytest.approx(score[order[: rank + 1]].sum())
        assert level.drawn
    absent = next(t for t in SIX if not (draws.distinct.children == t.children).all(axis=(1, 2)).any())
    level = credible_level(draws, score, absent.children, float(score[order[3]]) * 1.0001)
    assert (level.drawn, level.equal) == (False, 0.0)
    assert level.better == pytest.approx(score[order[:3]].sum())
    assert credible_level(draws, score, absent.children, -np.inf).better == pytest.approx(1)


def test_randomised_levels_are_uniform_under_the_posterior():
    from scipy.stats import kstest

    draws = random_draws(3)
    generator = np.random.default_rng(4)
    score = draws.probability
    found = []
    for i in generator.choice(len(score), 2000, p=draws.probability):
        level = credible_level(draws, score, draws.distinct.children[i], float(score[i]))
        found.append(level.randomised(generator.random()))
    assert kstest(found, "uniform").pvalue > 1e-4


def test_the_most_probable_topology_may_be_one_that_was_not_drawn():
    generator = np.random.default_rng(5)
    p = generator.dirichlet(np.full(SIX.n_trees, 0.3))
    number = {row.tobytes(): i for i, row in enumerate(SIX.children)}
    best = int(p.argmax())
    near = [number[row.tobytes()] for row in nni_neighbours(SIX[[best]]).children]

    def log_prob(topologies):
        return np.log([p[number[row.tobytes()]] for row in topologies.children])

    found = most_probable(weighted(SIX[near], np.ones(len(near))), log_prob)
    assert number[found.topology.children.tobytes()] == best
    assert not found.drawn


@pytest.mark.parametrize("seed", [6, 7, 8])
def test_the_medoid_is_nearest_to_all(seed):
    draws = random_draws(seed)
    found = medoid(draws)
    distances = [
        sum(p * robinson_foulds(t, other) for p, other in zip(draws.probability, draws.distinct, strict=True))
        for t in draws.distinct
    ]
    assert found.value <= min(distances) + 1e-9
    assert mean_distance(draws, draws.distinct[[0]]) == pytest.approx(distances[0])
    among = medoid(draws, lambda t: np.zeros(t.n_trees, dtype=bool))
    assert among.drawn
    assert among.value == pytest.approx(min(distances))


def pruned(topology, taxon):
    """The topology of the other taxa, numbered anew."""
    n = topology.n_taxa
    around = [set() for _ in range(2 * n - 2)]
    edges = [(0, 2 * n - 3), *((n + i, int(c)) for i, pair in enumerate(topology.children) for c in pair)]
    for a, b in edges:
        around[a].add(b)
        around[b].add(a)
    (joint,) = around[taxon]
    a, b = around[joint] - {taxon}
    around[a] = (around[a] - {joint}) | {b}
    around[b] = (around[b] - {joint}) | {a}
    kept = [i for i in range(2 * n - 2) if i not in (taxon, joint)]
    number = {old: new for new, old in enumerate(kept)}
    return from_neighbours([[number[x] for x in sorted(around[i])] for i in kept], n - 1)[0]


@pytest.mark.parametrize("taxon", [None, 0, 1, 4])
def test_entropies_without_a_taxon(taxon):
    from vbpi_mix.evaluate.clade_distribution import clade_distribution

    draws = random_draws(9)
    trees = draws.distinct if taxon is None else stack([pruned(t, taxon) for t in draws.distinct])
    expected = clade_distribution(trees, draws.probability).entropy()
    found = rogue_taxa(draws)
    assert (found.entropy if taxon is None else found.without[taxon]) == pytest.approx(expected, abs=1e-10)


def test_a_taxon_that_may_be_anywhere_is_a_rogue():
    generator = np.random.default_rng(10)
    five = all_topologies(5)[[3]].children[0]
    placed = [t for t in SIX if (pruned(t, 5).children == five).all()]
    found = rogue_taxa(weighted(stack(placed), generator.dirichlet(np.full(len(placed), 5.0))))
    assert len(placed) == 7
    name, fall = found.largest(1)[0]
    assert name == "t5"
    assert fall == pytest.approx(found.entropy)


def test_islands_are_apart_by_more_than_an_interchange():
    first = SIX[[0]]
    near = nni_neighbours(first)
    far = next(
        t for t in SIX
        if robinson_foulds(t, next(iter(first))) == 6 and all(robinson_foulds(t, x) > 2 for x in near)
    )  # fmt: skip
    trees = stack([next(iter(first)), next(iter(near)), far])
    found, complete = islands(weighted(trees, [0.5, 0.2, 0.3]), level=0.999)
    assert complete
    assert [i.probability for i in found] == pytest.approx([0.7, 0.3])
    assert [i.n_topologies for i in found] == [2, 1]
    assert (found[1].best.children == far.children).all()
    assert found[1].splits
    assert all(here - elsewhere >= 0.5 for _, here, elsewhere in found[1].splits)
