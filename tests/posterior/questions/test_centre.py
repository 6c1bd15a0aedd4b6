"""The most probable topology and the medoid, against all topologies of six taxa."""

import numpy as np
import pytest

from tests.posterior.questions.examples import SIX, random_draws, weighted
from vbpi_mix.phylo import nni_neighbours
from vbpi_mix.phylo.distances import robinson_foulds
from vbpi_mix.posterior.questions.centre import mean_distance, medoid, most_probable


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
