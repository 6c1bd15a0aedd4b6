"""From strings to models."""

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.model import JC69, ReversibleModel, empirical_frequencies, exchangeabilities, substitution_model
from vbpi_mix.phylo import SitePatterns


@pytest.fixture
def patterns():
    return examples.patterns(5, 40, np.random.default_rng(0), codes="all")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("K80{2.5}", [1, 2.5, 1, 1, 2.5, 1]),
        ("F81", [1, 1, 1, 1, 1, 1]),
        ("HKY{5,2}", [1, 2.5, 1, 1, 2.5, 1]),
        ("TN{2,3}", [1, 2, 1, 1, 3, 1]),
        ("GTR{1.2,3.1,0.7,0.9,4.0}", [1.2, 3.1, 0.7, 0.9, 4.0, 1]),
        ("GTR{1.2,3.1,0.7,0.9,4.0,2.0}", [0.6, 1.55, 0.35, 0.45, 2.0, 1]),
    ],
)
def test_exchangeabilities(text, expected, patterns):
    model = substitution_model(text, patterns)
    assert isinstance(model, ReversibleModel)
    assert model.exchangeabilities.tolist() == pytest.approx(expected, rel=1e-15)


def test_exchangeabilities_pass_gradients_on():
    rates = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    exchangeabilities("HKY85", rates).sum().backward()
    assert rates.grad.tolist() == [2.0]


def test_frequencies(patterns):
    assert substitution_model("F81+F{0.1,0.2,0.3,0.4}", patterns).root_frequencies().tolist() == [0.1, 0.2, 0.3, 0.4]
    assert substitution_model("GTR{1,2,3,4,5}+FQ", patterns).root_frequencies().tolist() == [0.25] * 4
    counted = substitution_model("HKY{2.0}", patterns).root_frequencies()
    np.testing.assert_array_equal(counted.numpy(), empirical_frequencies(patterns))


@pytest.mark.parametrize("text", ["JC", "JC69+FQ", "F81+FQ"])
def test_jc69_keeps_its_closed_form(text, patterns):
    assert isinstance(substitution_model(text, patterns), JC69)


@pytest.mark.parametrize(
    ("text", "exchangeable"),
    [("JC+G4{0.5}", True), ("F81+FQ+I{0.1}", True), ("F81", False), ("K80{1.0}", False), ("K80{2}+G4{1}", False)],
)
def test_which_models_may_merge_patterns(text, exchangeable, patterns):
    assert substitution_model(text, patterns).exchangeable is exchangeable


def test_categories(patterns):
    model = substitution_model("HKY{2.0}+FQ+I{0.2}+GA6{0.5}", patterns)
    np.testing.assert_allclose(model.category_weights().numpy(), [0.2] + [0.8 / 6] * 6)
    assert model.transition_matrices(torch.ones(2, 7, dtype=torch.float64)).shape == (2, 7, 7, 4, 4)


def test_errors(patterns):
    with pytest.raises(ConfigError, match="unknown substitution model 'XYZ'"):
        substitution_model("XYZ", patterns)
    no_t = SitePatterns(state_sets=np.array([[1, 2], [4, 2]], dtype=np.uint8), weights=np.ones(2))
    with pytest.raises(InputError, match="no T"):
        substitution_model("F81", no_t)
    assert substitution_model("F81+FQ+G4{1}", no_t).exchangeable
