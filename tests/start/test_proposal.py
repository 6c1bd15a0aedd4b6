import numpy as np
import torch

from vbpi_mix.phylo import all_topologies
from vbpi_mix.start.proposal import Inclusion, fit_proposal, log_inclusion, log_missed

EVERY = all_topologies(5)


def proposal(topologies, n_draws, seed=1):
    weights = np.random.default_rng(seed).random(topologies.n_trees)
    return fit_proposal(
        topologies, weights, n_components=2, n_draws=n_draws, pseudo_count=1e-2, n_iterations=5,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip


def test_probabilities_sum_to_one_and_draws_have_them():
    fitted = proposal(EVERY[np.arange(6)], 20_000)
    q = np.exp(fitted.log_prob(EVERY))
    assert abs(q.sum() - 1) < 1e-12
    position = {row.tobytes(): i for i, row in enumerate(EVERY.children)}
    drawn = [position[row.tobytes()] for row in fitted.draw(torch.Generator().manual_seed(2)).children]
    share = np.bincount(drawn, minlength=15) / 20_000
    assert (np.abs(share - q) <= 5 * np.sqrt(q * (1 - q) / 20_000)).all()


def test_a_topology_is_missed_by_all_draws_of_all_proposals():
    proposals = [proposal(EVERY[np.arange(4)], 3), proposal(EVERY[np.arange(2, 9)], 5, seed=2)]
    q = [np.exp(p.log_prob(EVERY)) for p in proposals]
    np.testing.assert_allclose(log_missed(proposals[0], EVERY), 3 * np.log1p(-q[0]), rtol=1e-12)
    expected = 1 - (1 - q[0]) ** 3 * (1 - q[1]) ** 5
    np.testing.assert_allclose(np.exp(log_inclusion(proposals, EVERY)), expected, rtol=0, atol=1e-14)


def test_a_list_that_grows_while_proposals_are_added():
    first, second = proposal(EVERY[np.arange(4)], 3), proposal(EVERY[np.arange(2, 9)], 5, seed=2)
    growing = Inclusion()
    growing.add(first)
    growing.log_probability(EVERY[np.arange(5)], np.array([1, 3]))
    growing.add(second)
    rows = np.array([0, 3, 14, 8])
    found = growing.log_probability(EVERY, rows)
    np.testing.assert_allclose(found, log_inclusion([first, second], EVERY)[rows], rtol=1e-12)
