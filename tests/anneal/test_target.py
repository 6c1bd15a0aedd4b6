"""A model in the form of the compiled moves, against the model itself."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from tests.anneal.examples import GENERAL, small_model
from vbpi_mix.anneal.target import LocalModel, edge_prior, typical_lengths
from vbpi_mix.errors import ConfigError
from vbpi_mix.model import substitution_model
from vbpi_mix.model.priors import ExponentialBranchPrior, GammaDirichletBranchPrior


@pytest.mark.parametrize("prior", [ExponentialBranchPrior(7.0), GammaDirichletBranchPrior(2.0, 0.3, 0.8, 0.5)])
def test_the_prior_of_lengths_but_for_a_constant(prior):
    n_taxa = 6
    lengths = np.random.default_rng(1).exponential(0.2, (5, 2 * n_taxa - 3))
    form = edge_prior(prior, n_taxa)
    total = lengths.sum(axis=1)
    ours = form.power * np.log(total) - form.rate * total
    ours += form.tip * np.log(lengths[:, :n_taxa]).sum(axis=1) + form.inner * np.log(lengths[:, n_taxa:]).sum(axis=1)
    shift = ours - prior.log_prob(torch.from_numpy(lengths)).numpy()
    np.testing.assert_allclose(shift, shift[0], rtol=0, atol=1e-11)


def test_a_prior_of_another_form_is_refused():
    with pytest.raises(ConfigError, match="exponential and compound Dirichlet"):
        edge_prior("uniform", 5)


@pytest.mark.parametrize("text", [GENERAL, "JC69"])
def test_spectra_give_the_transition_matrices(text):
    model = small_model(model=text)
    (spectra,) = LocalModel(model).spectra(np.zeros((1, 0)))
    values, left, right = spectra[:3]
    plain = substitution_model(text, model.parts[0].patterns)
    lengths = torch.tensor([[0.3]], dtype=torch.float64)
    expected = plain.transition_matrices(lengths)[0, 0].numpy()
    for category, matrix in enumerate(expected):
        ours = left[0] @ np.diag(np.exp(0.3 * values[category])) @ right[0]
        np.testing.assert_allclose(ours, matrix, rtol=0, atol=1e-12)


def test_each_tree_has_the_model_of_its_coordinates():
    model = small_model(model="HKY")
    coordinates = np.random.default_rng(2).normal(size=(3, model.parameters.n_coordinates))
    found = LocalModel(model).spectra(coordinates)
    models = model.parts[0].family.models(torch.from_numpy(coordinates))
    for tree, spectra in enumerate(found):
        values, left, right = spectra[:3]
        ours = left[0] @ np.diag(np.exp(0.2 * values[0])) @ right[0]
        np.testing.assert_allclose(ours, expm(0.2 * models.rate_matrices()[tree].numpy()), rtol=0, atol=1e-12)
    with pytest.raises(ConfigError):
        LocalModel(model).spectra(coordinates[:, :-1])


def test_typical_lengths_are_medians_of_tips_and_of_inner_edges():
    log_lengths = np.array([[-1.0, -2, -3, -4, -5, -6, -7], [-3.0, -3, -3, -3, -3, -100, -100]])
    assert typical_lengths(log_lengths).tolist() == [-3.0, -12.0]
