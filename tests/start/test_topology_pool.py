import time

import numpy as np
import pytest

from tests.start.examples import example
from vbpi_mix.clock import Clock, OutOfTimeError
from vbpi_mix.phylo import all_topologies, collect
from vbpi_mix.start import weigh_topologies
from vbpi_mix.start.topology_pool import TopologyPool


def test_topologies_enter_once_and_keep_their_places():
    _, model, _ = example()
    every = all_topologies(6)
    pool = TopologyPool(model)
    first, second, again = pool.add(every[np.array([3, 8, 3])]).tolist()
    assert sorted((first, second)) == [0, 1]
    assert again == first
    assert pool.find(every[np.array([8, 3, 40])]).tolist() == [second, first, -1]
    before = pool.n_evaluations
    pool.add(every[np.array([8, 3])])
    assert (len(pool), pool.n_evaluations) == (2, before)
    assert pool.add(every[np.array([40, 8])]).tolist() == [2, second]
    np.testing.assert_array_equal(pool.topologies.children[[first, second, 2]], every.children[[3, 8, 40]])


def test_weights_of_all_topologies_are_those_of_laplace():
    names, model, _ = example()
    every = all_topologies(6)[np.arange(0, 105, 9)]
    expected = weigh_topologies(model, collect(names, every))
    pool = TopologyPool(model)
    positions = pool.add(every)
    pool.integrate(within=np.inf, at_most=1000)
    assert pool.laplace().exact_hessian.all()
    weight = pool.log_weight()[positions]
    ours = np.exp(weight - np.logaddexp.reduce(weight))
    theirs = {
        row.tobytes(): p for row, p in zip(expected.sample.topologies.children, expected.sample.weights, strict=True)
    }
    np.testing.assert_allclose(ours, [theirs.get(row.tobytes(), 0.0) for row in every.children], rtol=0.02, atol=1e-6)


def test_nothing_enters_when_time_is_up():
    _, model, _ = example()
    pool = TopologyPool(model, Clock(until=time.perf_counter() - 1.0))
    with pytest.raises(OutOfTimeError):
        pool.add(all_topologies(6)[np.arange(3)])
    assert len(pool) == 0
