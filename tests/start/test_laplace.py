import numpy as np
import pytest
import torch

from tests.start.examples import example
from vbpi_mix.felsenstein import reference
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.length_density import negative_hessian
from vbpi_mix.phylo import all_topologies
from vbpi_mix.start import laplace_weights, optimise_lengths


def test_without_data_the_mode_is_that_of_the_prior():
    """Density in x = log b: 10 e^x e^(-10 e^x), its mode at b = 1/10, second derivative -1."""
    _, model, _ = example(missing=True)
    topologies = all_topologies(6)[:3]
    modes = optimise_lengths(model, topologies, tolerance=1e-14)
    assert np.exp(modes.log_lengths) == pytest.approx(0.1, rel=1e-6)
    assert modes.log_density == pytest.approx(-9.0, abs=1e-9)
    weights = laplace_weights(model, topologies, modes)
    # Laplace's value of each edge's integral is sqrt(2 pi) / e in place of 1
    assert weights.log_weight == pytest.approx(9 * (0.5 * np.log(2 * np.pi) - 1), abs=1e-3)
    assert weights.log_precision == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("text", ["JC69", "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+I{0.2}+G4{0.5}"])
def test_hessians_are_exact(text):
    _, model, topology = example()
    model = PhyloModel(model.patterns, 6, substitution_model=text)
    x = np.linspace(-4, -1, 9)[None]
    hessian = negative_hessian(model, topology.batch(), x)[0]
    at = torch.from_numpy(x[0]).requires_grad_()
    values, products = model.substitution_model.constant_spectrum()
    rest = (model.substitution_model.root_frequencies(), model.substitution_model.category_weights())

    def density(x):
        lengths = x.exp()[None]
        change = torch.expm1(lengths[..., None, None] * values) @ products.reshape(4, 16)
        matrices = change.reshape(*change.shape[:-1], 4, 4) + torch.eye(4).double()
        value = reference.tree_log_likelihood(matrices, *rest, topology.batch(), model.patterns)
        return (value + model.branch_prior.log_prob(lengths) + x.sum())[0]

    exact = -torch.autograd.functional.hessian(density, at).numpy()  # pyright: ignore[reportAttributeAccessIssue]
    assert hessian == pytest.approx(exact, abs=1e-9 * np.abs(exact).max())


def test_only_near_topologies_get_a_hessian_and_flat_directions_are_bounded():
    _, model, _ = example()
    topologies = all_topologies(6)
    modes = optimise_lengths(model, topologies)
    weights = laplace_weights(model, topologies, modes, within=5.0)
    near = modes.log_density >= modes.log_density.max() - 5.0
    assert np.array_equal(weights.exact_hessian, near)
    assert np.isfinite(weights.log_weight).all()
    assert np.isnan(weights.log_precision[~near]).all()
    few = laplace_weights(model, topologies, modes, within=50.0, at_most=3)
    assert few.exact_hessian.sum() == 3
