"""Two modes of gamma shape and invariant sites: they are found, weighed, and components start from both."""

import numpy as np
import pytest
import torch

from tests.experiment.simulated import two_modes
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.length_density import negative_hessian
from vbpi_mix.phylo import collect, site_patterns
from vbpi_mix.start import find_modes, find_parameters, fit_parameters, optimise_lengths, start_fitted, weigh_topologies
from vbpi_mix.start.parameters import joint_density, optimise_parameters
from vbpi_mix.support import build_support
from vbpi_mix.variational import PhyloMixture

START = np.full(7, -1.5)


@pytest.fixture(scope="module")
def example():
    alignment, topology = two_modes()
    return PhyloModel(site_patterns(alignment), 5, substitution_model="JC+I+G4"), topology.batch(), alignment.taxa


@pytest.fixture(scope="module")
def modes(example):
    model, topology, _ = example
    return find_modes(model, topology, START)


def test_there_are_two_and_they_are_stationary(example, modes):
    model, topology, _ = example
    values = model.parameters.values(torch.from_numpy(np.stack([mode.centre for mode in modes]))).numpy()
    (few_rates, few_sites), (equal_rates, many_sites) = values
    assert few_rates < 0.5 < 1 < equal_rates
    assert few_sites < 0.4 < 0.6 < many_sites
    assert min(modes[0].distance(modes[1].centre), modes[1].distance(modes[0].centre)) > 2
    for mode in modes:
        near = optimise_lengths(model.at(torch.from_numpy(mode.centre)), topology).log_lengths[0]
        x, u = optimise_parameters(model, topology, near, mode.centre)
        assert mode.distance(u) < 0.05
        _, of_x, of_u = joint_density(model, topology, x[None], u[None])
        assert max(np.abs(of_x).max(), np.abs(of_u).max()) < 0.05


def test_a_known_mode_is_not_found_again(example, modes):
    model, topology, _ = example
    for known, other in (modes, modes[::-1]):
        (found,) = find_modes(model, topology, START, known=known.centre)
        assert other.distance(found.centre) < 0.05
        assert found.log_weight == pytest.approx(other.log_weight, abs=1e-3)


def test_weights_are_those_of_a_grid(example, modes):
    """The coordinates integrated by sums over a grid, log lengths by Laplace's method; the modes share the points."""
    model, topology, _ = example
    centres = np.stack([mode.centre for mode in modes])
    sd = np.stack([np.sqrt(np.diag(mode.covariance)) for mode in modes])
    low, high = (centres - 3.5 * sd).min(axis=0), (centres + 3.5 * sd).max(axis=0)
    axes = [np.linspace(low[i], high[i], 15) for i in range(2)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    x, log_mass = START[None], []
    for point in points:
        fixed = model.at(torch.from_numpy(point))
        x = optimise_lengths(fixed, topology, start=x).log_lengths
        density = joint_density(model, topology, x, point[None])[0][0]
        log_mass.append(density - 0.5 * np.linalg.slogdet(negative_hessian(fixed, topology, x)[0])[1])
    mass = np.exp(np.array(log_mass) - max(log_mass))
    first = [modes[0].distance(point) < modes[1].distance(point) for point in points]
    share = mass[first].sum() / mass.sum()
    difference = modes[0].log_weight - modes[1].log_weight
    # neither mode is a normal: Laplace's method is not exact here
    assert abs(difference - np.log(share / (1 - share))) < 0.7
    assert 0.1 < share < 0.9


def start(example, n_components, *, tie=False):
    """Laplace's approximation on the only topology, its optimum, and a mixture started from it."""
    model, topology, taxa = example
    coordinates = find_parameters(model, topology)
    weighted = weigh_topologies(model.at(torch.from_numpy(coordinates)), collect(taxa, topology))
    support = build_support(topology)
    fitted = fit_parameters(model, weighted, support, coordinates)
    mixture = PhyloMixture(support, n_components=n_components, n_parameters=2, tie_parameters=tie)
    start_fitted(
        mixture, weighted, n_sites=model.n_sites, generator=torch.Generator().manual_seed(1), parameters=fitted
    )
    return fitted, coordinates, mixture


@pytest.mark.parametrize(("n_components", "tie"), [(4, False), (2, False), (1, False), (3, True)])
def test_components_start_from_both(example, modes, n_components, tie):
    fitted, coordinates, mixture = start(example, n_components, tie=tie)
    assert len(fitted.others) == 1
    weights = np.exp([mode.log_weight - modes[0].log_weight for mode in modes])
    heavier = int(np.argmax(weights))
    assert modes[heavier].distance(coordinates) < 0.1
    assert fitted.other_share == pytest.approx(weights[1 - heavier] / weights.sum(), abs=0.02)
    q = mixture.parameter_posterior
    nearest = [int(np.argmin([mode.distance(u) for mode in modes])) for u in q.coordinates(q.location).detach().numpy()]
    n_heavier = {4: 2, 2: 1, 1: 1}[q.n_distributions]
    assert sorted(nearest, key=lambda i: i != heavier) == [heavier] * n_heavier + [1 - heavier] * (
        q.n_distributions - n_heavier
    )
    with torch.no_grad():
        at_modes = mixture.parameter_log_prob(torch.from_numpy(np.stack([mode.centre for mode in modes])))
    lacking = at_modes < -10
    assert lacking.tolist() == [q.n_distributions == 1 and i != heavier for i in range(2)]


def test_components_have_the_covariance_of_their_mode(example):
    fitted, _, mixture = start(example, 2)
    (other,) = fitted.others
    normal = torch.distributions.MultivariateNormal(
        torch.from_numpy(other.centre), covariance_matrix=torch.from_numpy(other.covariance)
    )
    u = torch.from_numpy(other.centre + 0.1 * np.random.default_rng(1).normal(size=(5, 2)))
    with torch.no_grad():
        torch.testing.assert_close(
            mixture.parameter_posterior.log_prob(u, torch.tensor([1]))[0], normal.log_prob(u), rtol=1e-6, atol=1e-6
        )
