"""Weights of draws of a mixture, in batches."""

import numpy as np
import torch

from tests.variational.test_problem import make_problem
from vbpi_mix.evaluate.sampling import draw_batches, draw_weighted


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


def test_batches_do_not_change_the_shape_and_every_repeat_is_new():
    problem = make_problem(n_components=2)
    told = []
    log_w = draw_batches(
        problem,
        n_particles=10,
        n_repeats=3,
        batch_size=4,
        generator=torch.Generator().manual_seed(2),
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert log_w.shape == (3, 2, 10)
    assert len(np.unique(log_w)) == log_w.size
    assert told == [(1, 3), (2, 3), (3, 3)]
