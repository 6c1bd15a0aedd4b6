import math

import pytest
import torch

from vbpi_mix.estimators import learning_signals, leave_one_out_bounds, vimco


@pytest.mark.parametrize("n_particles", [2, 3, 10])
def test_leave_one_out_bounds_are_those_of_the_formula(n_particles):
    log_w = torch.randn(4, n_particles, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    got = leave_one_out_bounds(log_w)
    for row in range(4):
        for k in range(n_particles):
            others = [float(log_w[row, j]) for j in range(n_particles) if j != k]
            replaced = [*others, sum(others) / len(others)]
            expected = math.log(sum(math.exp(x) for x in replaced) / n_particles)
            assert float(got[row, k]) == pytest.approx(expected, abs=1e-13)


def test_a_single_particle_has_its_log_weight_as_signal():
    log_w = torch.tensor([[1.5], [-2.0]], dtype=torch.float64, requires_grad=True)
    signal = learning_signals(log_w)
    assert torch.equal(signal, log_w.detach())
    assert not signal.requires_grad


def test_gradient_in_the_scores_is_the_weighted_signal():
    generator = torch.Generator().manual_seed(2)
    log_w = torch.randn(3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    score = torch.randn(3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    outer = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    vimco(log_w, score, outer).backward()
    torch.testing.assert_close(score.grad, outer[:, None] * learning_signals(log_w))
    assert log_w.grad is None


def test_a_particle_of_weight_zero_leaves_finite_signals_elsewhere():
    log_w = torch.tensor([[0.3, -math.inf, 1.1]], dtype=torch.float64)
    signal = learning_signals(log_w)
    assert torch.isfinite(signal[0, 1])
    assert not torch.isnan(signal).any()
