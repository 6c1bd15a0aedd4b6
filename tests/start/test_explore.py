"""Searching around draws, against all topologies of a few taxa."""

import numpy as np
import pytest
import torch

from tests.start.test_growth import target  # noqa: F401  (a fixture)
from vbpi_mix.phylo import collect
from vbpi_mix.start import GrowthSettings, grow_topologies
from vbpi_mix.start.climb import neighbours
from vbpi_mix.start.explore import explore
from vbpi_mix.start.topology_pool import TopologyPool
from vbpi_mix.support import build_support, coverage, represented

WITHIN = 6.0


@pytest.mark.parametrize("radius", [1, 3])
def test_the_search_finds_every_good_neighbour_that_the_support_lacks(target, radius):  # noqa: F811
    _, model, weighted = target
    pool = TopologyPool(model)
    draws = np.unique(pool.add(weighted.sample.topologies[np.array([0, 3, 40])]))
    support = build_support(pool.topologies)
    shares = np.array([0.5, 0.3, 0.2])
    found = explore(pool, support, draws, shares, radius=radius, within=WITHIN)
    assert len(np.unique(found.positions)) == len(found.positions) > 0
    assert not represented(support, pool.topologies[found.positions]).any()
    density = {
        t.children.tobytes(): x for t, x in zip(weighted.sample.topologies, weighted.modes.log_density, strict=True)
    }
    expected: dict[bytes, float] = {}
    for draw, share in zip(draws.tolist(), shares.tolist(), strict=True):
        near = neighbours(pool.topologies[[draw]], radius)
        for t in near[~represented(support, near)]:
            key = t.children.tobytes()
            ratio = np.exp(density[key] - density[pool.topologies.children[draw].tobytes()])
            if ratio > np.exp(-WITHIN):
                expected[key] = expected.get(key, 0.0) + share * ratio / (1 + ratio)
    got = {
        t.children.tobytes(): x for t, x in zip(pool.topologies[found.positions], found.shares.tolist(), strict=True)
    }
    assert got.keys() == expected.keys()
    assert [got[k] for k in expected] == pytest.approx(list(expected.values()), rel=0.01)
    assert found.share == pytest.approx(sum(expected.values()), rel=0.01)
    assert found.n_screened >= len(found.positions)


def test_nothing_is_found_where_everything_is_supported(target):  # noqa: F811
    _, model, weighted = target
    pool = TopologyPool(model)
    draws = pool.add(weighted.sample.topologies[:2])
    everything = build_support(weighted.sample.topologies)
    found = explore(pool, everything, draws, np.full(2, 0.5), radius=3, within=WITHIN)
    assert (len(found.positions), found.share, found.n_screened, len(pool)) == (0, 0.0, 0, 2)


def test_the_search_gives_growth_the_support_that_its_candidates_lack(target):  # noqa: F811
    """From one candidate, with neither climbs nor neighbourhoods: all else comes from searches and draws."""
    names, model, weighted = target
    lonely = collect(names, weighted.sample.topologies[[0]])
    covered, missing = [], []
    for n_explored in (0, 200):
        settings = GrowthSettings(n_climbs=0, max_neighbourhoods=0, n_explored=n_explored, n_draws=2000, radius=2)
        growth = grow_topologies(model, lonely, generator=torch.Generator().manual_seed(1), settings=settings)
        support = build_support(growth.weighted.sample.topologies)
        covered.append(coverage(support, weighted.sample).mass_represented)
        missing.append(growth.rounds[-1].unsupported)
    assert covered[0] < 0.9
    assert np.isnan(missing[0])
    # what the last search found is an upper estimate of what is outside
    assert missing[1] < GrowthSettings().unsupported
    assert covered[1] > 1 - GrowthSettings().unsupported
