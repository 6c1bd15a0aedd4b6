"""Draws of a trained mixture: order, bookkeeping, component weights."""

import numpy as np
import pytest
import torch

from tests.statistics import assert_mean
from tests.variational.test_problem import make_problem
from vbpi_mix.posterior.sampling import draw_posterior, draw_trees
from vbpi_mix.support import encode


@pytest.mark.parametrize("n_particles", [7, 30])
def test_posterior_draws_hold_the_weighted_trees(n_particles):
    problem = make_problem(n_components=2)
    names = [f"t{i}" for i in range(5)]
    sample = draw_posterior(
        problem, names, n_particles=n_particles, n_repeats=2, generator=torch.Generator().manual_seed(3)
    )
    draws, log_w = sample.draws, sample.log_weights
    assert draws.taxa == tuple(names)
    assert draws.n_trees == log_w.size == 4 * n_particles
    assert np.array_equal(draws.log_weights, log_w.reshape(-1))
    assert np.array_equal(draws.components, np.tile(np.repeat([0, 1], n_particles), 2))
    lengths = torch.from_numpy(draws.branch_lengths)
    log_joint = problem.model.log_joint(lengths, draws.topologies).numpy()
    assert (log_joint - draws.log_weights < 60).all()  # log q_mix of the same trees, a finite density


@pytest.mark.parametrize("n_particles", [1, 8, 30])
def test_draws_of_a_weighted_mixture_follow_its_weights(n_particles):
    problem, weights = make_problem(n_components=3), np.array([0.62, 0.005, 0.375])
    problem.mixture.set_component_weights(weights)
    names = [f"t{i}" for i in range(5)]
    told = []
    sample = draw_posterior(
        problem,
        names,
        n_particles=n_particles,
        n_repeats=2,
        batch_size=20,
        generator=torch.Generator().manual_seed(3),
        on_progress=lambda done, total: told.append((done, total)),
    )
    draws, log_w = sample.draws, sample.log_weights
    np.testing.assert_allclose(sample.component_weights, weights, rtol=1e-12)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    expected = 6 * n_particles * weights
    made = np.bincount(draws.components, minlength=3)
    assert (made >= 1).all()
    assert ((made >= expected - 1e-9) & (made < expected + 1 + 1e-9)).all()

    def log_weights(lengths, topologies):
        encoded = encode(problem.mixture.support, topologies)
        with torch.no_grad():
            log_q = problem.mixture.log_prob(encoded, torch.from_numpy(lengths).log()).numpy()
            log_joint = problem.model.log_joint(torch.from_numpy(lengths), topologies).numpy()
        return log_joint - np.log(weights @ np.exp(log_q))

    strata = np.log(expected / made)[draws.components]
    np.testing.assert_allclose(
        draws.log_weights, log_weights(draws.branch_lengths, draws.topologies) + strata, rtol=1e-10
    )
    # what bounds are estimated from: as many draws of each component, the same as without weights
    problem.mixture.set_component_weights(None)
    again = torch.Generator().manual_seed(3)
    how = {"n_particles": n_particles, "n_repeats": 2, "batch_size": 20}
    plain = draw_posterior(problem, names, **how, generator=again).draws
    problem.mixture.set_component_weights(weights)
    order = np.argsort(plain.components, kind="stable")
    by_component = np.moveaxis(log_w, 1, 0).reshape(-1)
    np.testing.assert_allclose(by_component, log_weights(plain.branch_lengths, plain.topologies)[order], rtol=1e-10)


@pytest.mark.parametrize("n_particles", [3, 50])
def test_draws_with_and_without_their_estimates_are_the_same(n_particles):
    problem, names = make_problem(n_components=2), [f"t{i}" for i in range(5)]
    how = {"n_particles": n_particles, "n_repeats": 2, "batch_size": 20}
    both = draw_posterior(problem, names, **how, generator=torch.Generator().manual_seed(3)).draws
    alone = draw_trees(problem, names, **how, generator=torch.Generator().manual_seed(3))
    for name in ("branch_lengths", "log_weights", "components"):
        assert np.array_equal(getattr(both, name), getattr(alone, name))


def test_weighted_or_not_the_draws_follow_the_same_posterior():
    """Sums of importance weights estimate the evidence, by topology too, whatever the component weights."""
    problem = make_problem(n_components=2)
    names, found = [f"t{i}" for i in range(5)], []
    for weights in (None, np.array([0.85, 0.15])):
        problem.mixture.set_component_weights(weights)
        generator = torch.Generator().manual_seed(4)
        sums = []
        for _ in range(200):
            draws = draw_posterior(problem, names, n_particles=300, n_repeats=1, generator=generator).draws
            first = draws.branch_lengths[:, 0] > 0.1
            w = np.exp(draws.log_weights + 100)
            sums.append([w.mean(), (w * first).mean()])
        found.append(np.array(sums))
    assert_mean(found[0] - found[1], 0.0)
