"""The start of a fit with unknown parameters: optimum, Laplace's approximation and how lengths follow it."""

import numpy as np
import pytest
import torch

from tests.experiment.simulated import simulate
from vbpi_mix.errors import ConfigError
from vbpi_mix.model import GammaDirichletBranchPrior, PhyloModel
from vbpi_mix.phylo import Alignment, all_topologies, collect, random_topologies, site_patterns
from vbpi_mix.phylo.alignment import IUPAC
from vbpi_mix.start import (
    find_parameters,
    fit_parameters,
    optimise_lengths,
    settle,
    start_fitted,
    start_published,
    weigh_topologies,
)
from vbpi_mix.start.extend import extend_mixture
from vbpi_mix.start.parameters import joint_density, optimise_parameters
from vbpi_mix.support import build_support, encode
from vbpi_mix.support.union import union
from vbpi_mix.variational import PhyloMixture

N = 5
EVERYTHING = all_topologies(N)
MODELS = ["K80", "HKY+G4"]


def example(text, n_sites=300, **options):
    generator = np.random.default_rng(2)
    topology = next(iter(random_topologies(1, N, generator)))
    characters = simulate(topology, generator.exponential(0.1, 2 * N - 3) + 0.02, n_sites, 2)
    sets = np.vectorize(IUPAC.__getitem__)(characters).astype(np.uint8)
    names = tuple(f"t{i}" for i in range(N))
    patterns = site_patterns(Alignment(taxa=names, state_sets=sets))
    return names, PhyloModel(patterns, N, substitution_model=text, **options), topology.batch()


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    """Model, candidates weighted at the optimum, and the optimum."""
    names, model, _ = example(request.param)
    coordinates = find_parameters(model, EVERYTHING)
    weighted = weigh_topologies(model.at(torch.from_numpy(coordinates)), collect(names, EVERYTHING))
    return model, weighted, coordinates


def hessian_of(model, topology, x, u, step=1e-4):
    """(E + d, E + d) by differences of gradients."""
    at, n = np.concatenate([x, u]), len(x)
    rows = []
    for j in range(len(at)):
        sides = []
        for sign in (step, -step):
            moved = at.copy()
            moved[j] += sign
            sides.append(
                np.concatenate([g[0] for g in joint_density(model, topology, moved[None, :n], moved[None, n:])[1:]])
            )
        rows.append((sides[0] - sides[1]) / (2 * step))
    return np.array(rows)


def test_the_optimum_is_stationary_on_the_best_topology(fitted):
    model, weighted, coordinates = fitted
    top = weighted.sample.topologies[[0]]
    x, u = optimise_parameters(model, top, weighted.modes.log_lengths[0], coordinates)
    value, of_x, of_u = joint_density(model, top, x[None], u[None])
    whole = hessian_of(model, top, x, u)
    slope = np.concatenate([of_x[0], of_u[0]])
    # what a Newton step would still gain, in nats
    assert 0 <= -0.5 * slope @ np.linalg.solve(whole, slope) < 1e-4
    precision = np.linalg.inv(np.linalg.inv(-whole)[len(x) :, len(x) :])
    away = u - coordinates
    assert away @ precision @ away < 0.05**2
    # no start of another kind finds more
    other, _ = optimise_parameters(model, top, np.full(len(x), -1.0), u + 0.5)
    assert joint_density(model, top, other[None], u[None])[0] <= value + 1e-6


def test_the_derivatives_of_the_joint_density():
    _, model, topology = example("HKY+G4", branch_prior=GammaDirichletBranchPrior())
    generator = np.random.default_rng(3)
    x, u = generator.normal(-2, 0.5, (1, 2 * N - 3)), model.parameters.start().numpy()[None] + 0.1
    value, of_x, of_u = joint_density(model, topology, x, u)
    expected = model.log_joint(torch.from_numpy(np.exp(x)), topology, torch.from_numpy(u)) + x.sum()
    assert value[0] == pytest.approx(float(expected), rel=1e-13)
    direction_x, direction_u = generator.normal(size=x.shape), generator.normal(size=u.shape)
    ends = [joint_density(model, topology, x + s * direction_x, u + s * direction_u)[0][0] for s in (1e-5, -1e-5)]
    slope = (of_x * direction_x).sum() + (of_u * direction_u).sum()
    assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope, rel=1e-6)


def alone(fitted):
    """The best topology by itself, on the support of all."""
    model, weighted, coordinates = fitted
    names = weighted.sample.taxa
    one = weigh_topologies(model.at(torch.from_numpy(coordinates)), collect(names, weighted.sample.topologies[[0]]))
    return model, one, coordinates, build_support(EVERYTHING)


def test_on_one_topology_it_is_laplaces_approximation(fitted):
    """Covariance and centre from a whole Hessian by differences: the block of its inverse, one step of Newton's."""
    model, one, coordinates, support = alone(fitted)
    found = fit_parameters(model, one, support, coordinates)
    x = one.modes.log_lengths[0]
    whole = hessian_of(model, one.sample.topologies, x, coordinates)
    n = len(x)
    covariance = np.linalg.inv(-whole)[n:, n:]
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-3, atol=1e-3 * np.abs(covariance).max())
    np.testing.assert_allclose(found.scale @ found.scale.T, found.covariance, rtol=1e-10)
    _, exact = optimise_parameters(model, one.sample.topologies, x, coordinates)
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(found.centre - exact) < 0.05 * sd).all()
    rows = found.response[encode(support, one.sample.topologies).split_ids[0]]
    np.testing.assert_allclose(rows, -np.linalg.solve(whole[:n, :n], whole[:n, n:]), rtol=1e-2, atol=1e-3)


def test_lengths_follow_the_parameters_as_they_say(fitted):
    """Optimised anew where each coordinate is half a standard deviation away."""
    model, one, coordinates, support = alone(fitted)
    found = fit_parameters(model, one, support, coordinates)
    rows = found.response[encode(support, one.sample.topologies).split_ids[0]]
    x = one.modes.log_lengths
    for j in range(len(coordinates)):
        ends = []
        for sign in (0.25, -0.25):
            moved = coordinates.copy()
            moved[j] += sign * np.sqrt(found.covariance[j, j])
            fixed = model.at(torch.from_numpy(moved))
            ends.append(optimise_lengths(fixed, one.sample.topologies, start=x, tolerance=1e-10).log_lengths[0])
        slope = (ends[0] - ends[1]) / (0.5 * np.sqrt(found.covariance[j, j]))
        np.testing.assert_allclose(rows[:, j], slope, rtol=0.1, atol=0.02)


def test_topologies_are_averaged_by_their_weights(fitted):
    """Mean and covariance of the mixture over topologies; splits that none of them has follow as others do."""
    model, weighted, coordinates = fitted
    support = build_support(EVERYTHING)
    whole = fit_parameters(model, weighted, support, coordinates)
    p = weighted.sample.probabilities()
    heavy = np.flatnonzero(p >= 1e-3 * p[0])
    each = []
    for t in heavy:
        one = weigh_topologies(
            model.at(torch.from_numpy(coordinates)), collect(weighted.sample.taxa, weighted.sample.topologies[[t]])
        )
        each.append(fit_parameters(model, one, support, coordinates))
    share = p[heavy] / p[heavy].sum()
    centre = sum(s * f.centre for s, f in zip(share, each, strict=True))
    between = sum(
        s * (f.covariance + np.outer(f.centre - centre, f.centre - centre)) for s, f in zip(share, each, strict=True)
    )
    np.testing.assert_allclose(whole.centre, centre, atol=2e-3)
    np.testing.assert_allclose(whole.covariance, between, rtol=0.02, atol=1e-3 * np.abs(between).max())
    assert np.isfinite(whole.response).all()


def test_a_start_that_is_off_settles(fitted):
    model, weighted, coordinates = fitted
    names = weighted.sample.taxa
    off = coordinates + 0.7
    moved = weigh_topologies(model.at(torch.from_numpy(off)), collect(names, EVERYTHING))
    again = settle(model, moved, off)
    assert again.coordinates is not None
    np.testing.assert_allclose(again.coordinates, coordinates, atol=0.05)
    best = {
        row.tobytes(): p for row, p in zip(weighted.sample.topologies.children, weighted.sample.weights, strict=True)
    }
    expected = np.array([best[row.tobytes()] for row in again.sample.topologies.children])
    assert 0.5 * np.abs(again.sample.weights - expected / expected.sum()).sum() < 0.01
    near = settle(model, weighted, coordinates)
    assert near.coordinates is not None
    assert np.array_equal(near.coordinates, coordinates)
    assert near.sample is weighted.sample


def test_a_mixture_starts_at_the_approximation(fitted):
    model, weighted, coordinates = fitted
    support = build_support(EVERYTHING)
    found = fit_parameters(model, weighted, support, coordinates)
    d = model.parameters.n_coordinates
    mixture = PhyloMixture(support, n_components=2, n_parameters=d)
    generator = torch.Generator().manual_seed(1)
    with pytest.raises(ConfigError, match="give where they start"):
        start_fitted(mixture, weighted, n_sites=model.n_sites, generator=generator)
    with pytest.raises(ConfigError, match="give where they start"):
        start_published(mixture, generator=generator)
    start_fitted(mixture, weighted, n_sites=model.n_sites, generator=generator, parameters=found)
    q = mixture.parameter_posterior
    assert q is not None
    normal = torch.distributions.MultivariateNormal(
        torch.from_numpy(found.centre), covariance_matrix=torch.from_numpy(found.covariance)
    )
    u = torch.from_numpy(found.centre + 0.1 * np.random.default_rng(1).normal(size=(6, d)))
    with torch.no_grad():
        torch.testing.assert_close(q.log_prob(u, torch.arange(2)), normal.log_prob(u).expand(2, 6))
        # log lengths move by the response, whatever the scale
        ids = encode(support, EVERYTHING[np.zeros(6, dtype=int)]).split_ids
        away = u.numpy() - found.centre
        expected = np.einsum("ted,td->te", found.response[ids], away)
        np.testing.assert_allclose(q.shift(ids, q.whitened(u)), expected, atol=1e-12)
    start_published(mixture, generator=generator, parameter_start=coordinates)
    torch.testing.assert_close(q.coordinates(q.location).mean(dim=0), torch.from_numpy(coordinates))
    assert not q.response.any()


def test_new_topologies_have_fitting_lengths_at_the_parameters_that_training_found(fitted):
    """These two standard deviations from the centre, and random responses that the tables make up for."""
    model, weighted, coordinates = fitted
    names, d = weighted.sample.taxa, model.parameters.n_coordinates
    few = weigh_topologies(model.at(torch.from_numpy(coordinates)), collect(names, weighted.sample.topologies[:2]))
    old = PhyloMixture(build_support(few.sample.topologies), n_components=2, n_parameters=d)
    found = fit_parameters(model, few, old.support, coordinates)
    generator = torch.Generator().manual_seed(1)
    start_fitted(old, few, n_sites=model.n_sites, generator=generator, parameters=found)
    q = old.parameter_posterior
    assert q is not None
    with torch.no_grad():
        q.location.fill_(2.0)
        q.response.copy_(0.4 * torch.randn(q.response.shape, generator=generator, dtype=torch.float64))
        ids = encode(old.support, few.sample.topologies).split_ids
        # trained: old trees have their lengths at the mean, so the tables make up for the shift
        shift = q.shift(ids, torch.full((len(ids), d), 2.0, dtype=torch.float64))
        first = torch.from_numpy(ids)
        old.branches.base.table[:, first, 0] -= shift
    new = PhyloMixture(union(old.support, build_support(EVERYTHING)), n_components=2, n_parameters=d)
    extend_mixture(old, new, weighted, n_sites=model.n_sites)
    after = new.parameter_posterior
    assert after is not None
    encoded = encode(new.support, weighted.sample.topologies)
    features = new.indexer.feature_ids(encoded)
    table = new.branches.base.table.detach()[0].numpy()
    location = np.where(features >= 0, table[np.maximum(features, 0), 0], 0.0).sum(axis=2)
    mean = torch.full((len(features), d), 2.0, dtype=torch.float64)
    error = np.abs(location + after.shift(encoded.split_ids, mean).detach().numpy() - weighted.modes.log_lengths)
    assert np.median(error) < 0.15


def test_a_larger_support_keeps_the_distribution(fitted):
    model, weighted, coordinates = fitted
    d = model.parameters.n_coordinates
    fixed = model.at(torch.from_numpy(coordinates))
    few = weigh_topologies(fixed, collect(weighted.sample.taxa, weighted.sample.topologies[:2]))
    old = PhyloMixture(build_support(few.sample.topologies), n_components=2, n_parameters=d)
    generator = torch.Generator().manual_seed(1)
    found = fit_parameters(model, few, old.support, coordinates)
    start_fitted(old, few, n_sites=model.n_sites, generator=generator, parameters=found)
    with torch.no_grad():
        for p in old.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    larger = union(old.support, build_support(EVERYTHING))
    new = PhyloMixture(larger, n_components=2, n_parameters=d)
    extension = extend_mixture(old, new, weighted, n_sites=model.n_sites)
    rows = extension.rows["parameter_posterior.response"]
    before, after = old.parameter_posterior, new.parameter_posterior
    assert before is not None
    assert after is not None
    assert len(rows) == old.support.n_splits
    assert torch.equal(after.response[torch.from_numpy(rows)], before.response)
    assert after.response.isfinite().all()
    u = torch.from_numpy(coordinates + 0.1 * np.random.default_rng(1).normal(size=(6, d)))
    with torch.no_grad():
        assert torch.equal(before.log_prob(u, torch.arange(2)), after.log_prob(u, torch.arange(2)))
        # given the topology, old trees have the density that they had
        topologies = few.sample.topologies[np.arange(6) % 2]
        x = torch.from_numpy(few.modes.log_lengths[np.arange(6) % 2])
        given = [
            m.log_prob(encode(m.support, topologies), x, parameters=u)
            - m.networks.log_prob(encode(m.support, topologies))
            for m in (old, new)
        ]
        torch.testing.assert_close(*given, rtol=1e-9, atol=1e-9)
