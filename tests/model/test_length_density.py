import importlib.util

import numpy as np
import pytest
import torch

from tests.start.examples import example
from vbpi_mix.model import PhyloModel, length_density, parse_branch_prior
from vbpi_mix.model.length_density import hessian_by_differences, log_density, log_density_value, negative_hessian
from vbpi_mix.phylo import SitePatterns, all_topologies

GENERAL = "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+I{0.2}+G4{0.5}"


def test_both_ways_to_the_density_agree():
    _, model, _ = example()
    topologies = all_topologies(6)[:10]
    x = np.random.default_rng(1).normal(-3, 1, (10, 9))
    for direct, by_autograd in zip(
        log_density(model, topologies, x), length_density._by_autograd(model, topologies, x), strict=True
    ):
        assert direct == pytest.approx(by_autograd, rel=1e-12)


def test_the_value_alone_is_the_same():
    _, model, _ = example()
    topologies, x = all_topologies(6)[:10], np.random.default_rng(2).normal(-3, 1, (10, 9))
    np.testing.assert_allclose(
        log_density_value(model, topologies, x), log_density(model, topologies, x)[0], rtol=1e-12
    )


@pytest.mark.parametrize("text", ["JC69", GENERAL])
@pytest.mark.parametrize("prior", ["exponential(10)", "gammadir(2,3,1.5,0.5)"])
def test_differences_of_gradients_give_the_hessian(text, prior):
    _, model, _ = example()
    model = PhyloModel(model.patterns, 6, substitution_model=text, branch_prior=parse_branch_prior(prior, 10.0))
    topologies, x = all_topologies(6)[:3], np.random.default_rng(3).normal(-3, 1, (3, 9))
    exact = negative_hessian(model, topologies, x)
    found = hessian_by_differences(model, topologies, x)
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-7 * np.abs(exact).max())
    np.testing.assert_array_equal(found, found.transpose(0, 2, 1))


@pytest.mark.gpu
def test_the_density_on_a_device():
    """On a GPU, or in Triton's interpreter."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed: pip install 'vbpi_mix[gpu]'")
    generator = np.random.default_rng(4)
    sets = (1 << generator.integers(4, size=(6, 7))).astype(np.uint8)
    model = PhyloModel(SitePatterns(state_sets=sets, weights=np.ones(7)), 6, substitution_model=GENERAL)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    placed = model.placed("triton", device)
    assert (model.device.type, placed.device) == ("cpu", device)
    topologies, x = all_topologies(6)[:2], generator.normal(-3, 1, (2, 9))
    for ours, theirs in zip(log_density(placed, topologies, x), log_density(model, topologies, x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)
    value = log_density_value(placed, topologies, x)
    np.testing.assert_allclose(value, log_density_value(model, topologies, x), rtol=1e-12)
    exact = negative_hessian(model, topologies[:1], x[:1])
    np.testing.assert_allclose(
        hessian_by_differences(placed, topologies[:1], x[:1]), exact, rtol=1e-6, atol=1e-7 * np.abs(exact).max()
    )
