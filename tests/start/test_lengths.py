import numpy as np
import pytest
from scipy import optimize

from tests.start.examples import example
from vbpi_mix.model.length_density import log_density
from vbpi_mix.phylo import all_topologies
from vbpi_mix.start import optimise_lengths


def test_modes_are_those_of_a_general_optimiser():
    _, model, _ = example()
    topologies = all_topologies(6)[::9]
    modes = optimise_lengths(model, topologies, tolerance=1e-8)
    assert (modes.remaining_gain < 1e-8).all()
    for t in range(topologies.n_trees):
        one = topologies[[t]]

        def negative(x, one=one):
            value, gradient = log_density(model, one, x[None])
            return -value[0], -gradient[0]

        best = optimize.minimize(negative, np.full(9, -3.0), jac=True, method="BFGS", options={"gtol": 1e-6})
        assert modes.log_density[t] == pytest.approx(-best.fun, abs=1e-5)
        assert modes.log_lengths[t] == pytest.approx(best.x, abs=5e-3)


def test_chunks_and_starts_do_not_change_the_modes():
    _, model, _ = example()
    topologies = all_topologies(6)[:20]
    whole = optimise_lengths(model, topologies)
    seen = []
    parts = optimise_lengths(
        model,
        topologies,
        start=np.full((20, 9), -2.5),
        batch_size=7,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert parts.log_density == pytest.approx(whole.log_density, abs=3e-4)
    assert seen == [(7, 20), (14, 20), (20, 20)]
