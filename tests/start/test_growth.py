"""Pools, climbs, draws and the estimate of what is missing, against all topologies of a few taxa."""

import numpy as np
import pytest
import torch

from tests.experiment.simulated import simulate
from vbpi_mix.errors import ConfigError
from vbpi_mix.io.kept_results import KeptResults
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import Alignment, all_topologies, collect, log_n_topologies, random_topologies, site_patterns
from vbpi_mix.phylo.alignment import IUPAC
from vbpi_mix.start import GrowthSettings, grow_topologies, weigh_topologies
from vbpi_mix.start.climb import climb, neighbours
from vbpi_mix.start.proposal import fit_proposal, log_inclusion
from vbpi_mix.start.topology_pool import TopologyPool
from vbpi_mix.support import build_support, represented

TAXA = 7


@pytest.fixture(scope="module")
def target():
    """Few sites: a posterior that is spread over many of the 945 topologies."""
    generator = np.random.default_rng(5)
    topology = next(iter(random_topologies(1, TAXA, generator)))
    characters = simulate(topology, generator.exponential(0.1, 2 * TAXA - 3), 25, 5)
    sets = np.vectorize(IUPAC.__getitem__)(characters).astype(np.uint8)
    names = tuple(f"t{i}" for i in range(TAXA))
    model = PhyloModel(site_patterns(Alignment(taxa=names, state_sets=sets)), TAXA)
    return names, model, weigh_topologies(model, collect(names, all_topologies(TAXA)))


def by_topology(sample, values):
    return {t.children.tobytes(): x for t, x in zip(sample.topologies, values, strict=True)}


def total_variation(growth, weighted):
    p, q = (by_topology(w.sample, w.sample.probabilities()) for w in (growth, weighted))
    return 0.5 * sum(abs(p.get(key, 0) - q.get(key, 0)) for key in p.keys() | q.keys())


def test_pools_hold_every_topology_once(target):
    _, model, weighted = target
    pool = TopologyPool(model)
    topologies = weighted.sample.topologies[:40]
    first = pool.add(topologies[:30])
    again = pool.add(topologies[np.array([35, 2, 2, 35])])
    assert len(pool) == 31
    assert again.tolist() == [30, first[2], first[2], 30]
    assert np.array_equal(pool.topologies.children[again[0]], topologies.children[35])
    assert pool.find(topologies[34:36]).tolist() == [-1, 30]
    pool.integrate(within=12.0, at_most=100)
    everything = {
        t.children.tobytes(): w for t, w in zip(weighted.sample.topologies, weighted.laplace.log_weight, strict=True)
    }
    wanted = [everything[t.children.tobytes()] for t in pool.topologies]
    assert pool.log_weight() == pytest.approx(wanted, abs=0.05)


@pytest.mark.parametrize("radius", [1, 3])
def test_climbs_end_where_no_neighbour_is_better(target, radius):
    _, model, weighted = target
    pool = TopologyPool(model)
    starts = pool.add(random_topologies(5, TAXA, np.random.default_rng(2)))
    optima = climb(pool, starts, radius=radius)
    assert (np.diff(pool.log_density[optima]) <= 0).all()
    for position in optima:
        near = pool.find(neighbours(pool.topologies[[position]], radius))
        assert (near >= 0).all()
        assert pool.log_density[near].max() <= pool.log_density[position] + 1e-3
    if radius == 3:
        assert pool.log_density[optima[0]] == pytest.approx(weighted.modes.log_density.max(), abs=1e-3)


def test_inclusion_is_the_probability_to_be_drawn(target):
    _, _, weighted = target
    topologies = weighted.sample.topologies[:60]
    generator = torch.Generator().manual_seed(1)
    proposals = [
        fit_proposal(
            topologies, weights, n_components=2, n_draws=30, pseudo_count=1e-2, generator=generator, n_iterations=5
        )
        for weights in (weighted.sample.weights[:60], np.ones(60))
    ]
    drawable = weighted.sample.topologies
    expected = np.exp(log_inclusion(proposals, drawable))
    repeats = 400
    seen = np.zeros(len(drawable))
    position = {t.children.tobytes(): i for i, t in enumerate(drawable)}
    for _ in range(repeats):
        drawn = {position[t.children.tobytes()] for p in proposals for t in p.draw(generator)}
        seen[list(drawn)] += 1
    assert (seen[expected == 0] == 0).all()
    spread = np.sqrt(repeats * expected * (1 - expected))
    inside = (expected > 0.02) & (expected < 0.98)
    assert inside.sum() > 20
    # draws take turns between the components, which only makes counts steadier than independent draws
    z = (seen - repeats * expected)[inside] / spread[inside]
    assert np.abs(z).max() < 6


def test_growth_finds_what_one_candidate_lacks(target):
    names, model, weighted = target
    lonely = collect(names, random_topologies(1, TAXA, np.random.default_rng(8)))
    said = []
    growth = grow_topologies(
        model,
        lonely,
        generator=torch.Generator().manual_seed(1),
        settings=GrowthSettings(n_draws=3000),
        report=said.append,
    )
    assert total_variation(growth.weighted, weighted) < 0.01
    assert growth.missing < 0.01
    everything = np.logaddexp.reduce(weighted.laplace.log_weight) - log_n_topologies(TAXA)
    assert growth.log_evidence == pytest.approx(everything, abs=0.02)
    assert (np.diff(growth.weighted.sample.weights) <= 0).all()
    assert growth.standard_error < 0.01
    assert any("was missing" in text for text in said)


def test_drawn_topologies_stand_for_those_not_drawn(target):
    """With a third of the list known, the mean estimate of a few draws is the sum over all that can be drawn."""
    names, model, weighted = target
    some = collect(names, weighted.sample.topologies[0:945:3])
    evidence = weighted.laplace.log_weight
    drawable = np.logaddexp.reduce(evidence[represented(build_support(some.topologies), weighted.sample.topologies)])
    settings = GrowthSettings(
        n_climbs=0, max_neighbourhoods=0, n_draws=100, max_rounds=1, negligible=0.0, pseudo_count=0.5
    )
    estimates, shares = [], []
    for seed in range(40):
        growth = grow_topologies(model, some, generator=torch.Generator().manual_seed(seed), settings=settings)
        estimates.append(np.exp(growth.log_evidence + log_n_topologies(TAXA) - drawable))
        shares.append(growth.drawn_share)
        assert growth.missing == pytest.approx(growth.drawn_share, abs=1e-6)
        assert growth.effective_draws > 1
    assert 0.1 < np.mean(shares) < 0.9
    # 0.02: modes and corrections are not found from the same starts
    assert np.mean(estimates) == pytest.approx(1.0, abs=6 * np.std(estimates) / np.sqrt(40) + 0.02)


@pytest.mark.parametrize(
    "wrong", [{"n_draws": 0}, {"covered": 1.5}, {"missing": 0.0}, {"standard_error": 0.0}, {"n_climbs": -1}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="out of range"):
        GrowthSettings(**wrong)


class KilledError(Exception):
    pass


class MortalResults(KeptResults):
    """Kept results of a process that is killed when it has computed so many."""

    left = 0

    def of(self, what, given, compute):
        def once():
            if self.left == 0:
                raise KilledError
            self.left -= 1
            return compute()

        return super().of(what, given, once)


def test_a_search_that_is_killed_goes_on_to_the_same_bits(target, tmp_path):
    """Whatever was computed is not computed again, and the end is bit for bit that of a search in one go."""
    names, model, _ = target
    lonely = collect(names, random_topologies(1, TAXA, np.random.default_rng(8)))
    settings = GrowthSettings(n_draws=300, n_explored=100)

    def grow(results):
        generator = torch.Generator().manual_seed(1)
        return grow_topologies(model, lonely, generator=generator, settings=settings, results=results)

    whole = grow(None)
    kills = 0
    while True:
        results = MortalResults(tmp_path / "search", "x")
        assert len(results) == 5 * kills
        results.left = 5
        try:
            parts = grow(results)
        except KilledError:
            kills += 1
            continue
        break
    assert kills > 3
    assert parts.rounds == whole.rounds
    assert (parts.n_evaluations, parts.log_evidence) == (whole.n_evaluations, whole.log_evidence)
    for field in ("log_lengths", "log_density", "remaining_gain"):
        np.testing.assert_array_equal(getattr(parts.weighted.modes, field), getattr(whole.weighted.modes, field))
    np.testing.assert_array_equal(parts.weighted.sample.weights, whole.weighted.sample.weights)
