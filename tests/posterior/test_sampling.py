"""Draws of a trained mixture: weights, order, bookkeeping."""

import numpy as np
import pytest
import torch

from tests.variational.test_problem import make_problem
from vbpi_mix.evaluate.sampling import draw_batches, draw_weighted
from vbpi_mix.posterior.sampling import draw_posterior


def test_weights_are_joint_over_mixture():
    problem = make_problem(n_components=3)
    batch = draw_weighted(problem, 5, torch.Generator().manual_seed(1))
    with torch.no_grad():
        log_q = problem.mixture.log_prob(batch.trees.encoded, batch.trees.log_lengths)
        log_mix = torch.logsumexp(log_q, dim=0) - np.log(3)
        lengths = batch.trees.log_lengths.exp()
        log_joint = problem.model.log_joint(lengths, batch.trees.encoded.topologies)
    torch.testing.assert_close(batch.log_weights.reshape(-1), log_joint - log_mix)
    assert batch.trees.component_of_tree.tolist() == [0] * 5 + [1] * 5 + [2] * 5


def test_batches_do_not_change_the_shape_and_every_repeat_is_new(monkeypatch):
    problem = make_problem(n_components=2)
    monkeypatch.setattr("vbpi_mix.evaluate.sampling._LARGEST_BATCH", 4)
    told = []
    log_w = draw_batches(
        problem,
        n_particles=10,
        n_repeats=3,
        generator=torch.Generator().manual_seed(2),
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert log_w.shape == (3, 2, 10)
    assert len(np.unique(log_w)) == log_w.size
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("n_particles", [7, 30])
def test_posterior_draws_hold_the_weighted_trees(n_particles):
    problem = make_problem(n_components=2)
    names = [f"t{i}" for i in range(5)]
    draws, log_w = draw_posterior(
        problem, names, n_particles=n_particles, n_repeats=2, generator=torch.Generator().manual_seed(3)
    )
    assert draws.taxa == tuple(names)
    assert draws.n_trees == log_w.size == 4 * n_particles
    assert np.array_equal(draws.log_weights, log_w.reshape(-1))
    assert np.array_equal(draws.components, np.tile(np.repeat([0, 1], n_particles), 2))
    lengths = torch.from_numpy(draws.branch_lengths)
    log_joint = problem.model.log_joint(lengths, draws.topologies).numpy()
    assert (log_joint - draws.log_weights < 60).all()  # log q_mix of the same trees, a finite density
