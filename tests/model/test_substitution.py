"""Substitution models."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from vbpi_mix.errors import ConfigError
from vbpi_mix.model import SUBSTITUTION_MODELS, substitution_model


@pytest.mark.parametrize("word", sorted(SUBSTITUTION_MODELS))
def test_laws_of_every_model(word):
    """Rows sum to 1, stationary frequencies stay, P(s + t) = P(s) P(t), reversible, gradients flow."""
    model = substitution_model(word)
    lengths = torch.tensor([[0.0, 0.3, 0.7, 1.0, 60.0]], dtype=torch.float64, requires_grad=True)
    matrices = model.transition_matrices(lengths)
    weights, frequencies = model.category_weights, model.frequencies
    assert matrices.shape == (1, 5, len(weights), 4, 4)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(frequencies.sum()) == pytest.approx(1)
    torch.testing.assert_close(matrices.sum(dim=-1), torch.ones(1, 5, len(weights), 4, dtype=torch.float64))
    torch.testing.assert_close(frequencies @ matrices, frequencies.expand(1, 5, len(weights), 4))
    torch.testing.assert_close(matrices[0, 1] @ matrices[0, 2], matrices[0, 3])
    flow = frequencies[:, None] * matrices
    torch.testing.assert_close(flow, flow.transpose(-1, -2))
    torch.testing.assert_close(matrices[0, 0], torch.eye(4, dtype=torch.float64).expand_as(matrices[0, 0]))
    (gradient,) = torch.autograd.grad(matrices[..., 0, 1].sum(), lengths)
    assert (gradient[0, :4] != 0).all()


def test_jc69_is_the_exponential_of_its_rates():
    q = (np.ones((4, 4)) - 4 * np.eye(4)) / 3
    ours = substitution_model("JC69").transition_matrices(torch.tensor([[0.42]], dtype=torch.float64))
    np.testing.assert_allclose(ours[0, 0, 0].numpy(), expm(0.42 * q), rtol=1e-13)


def test_unknown_model():
    with pytest.raises(ConfigError, match="unknown substitution model 'LG': choose one of JC69"):
        substitution_model("LG")
