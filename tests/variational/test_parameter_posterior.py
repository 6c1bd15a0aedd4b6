"""q of the model's parameters: density, draws, how lengths follow it, and the laws of the estimators with it."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats

from tests.statistics import FAILURE_RATE, assert_mean
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import Objective, all_components, draw_plan, plan_of_subset
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, all_topologies
from vbpi_mix.support import build_support, encode
from vbpi_mix.variational import ParameterPosterior, PhyloMixture, PhyloProblem

D = 5  # of HKY+G4: kappa, three of the frequencies, the shape


def jolt(module, seed, scale=0.3):
    """Everything that is learned away from where it starts; centre and scale too."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * normal(parameter.shape))
        for part in module.modules():
            if isinstance(part, ParameterPosterior):
                d = part.n_parameters
                part.centre.copy_(normal(d))
                part.scale.copy_(torch.tril(0.2 * normal((d, d)), -1) + torch.diag(0.1 + normal(d).abs()))
    return module


def posterior(n_components=3, d=4, n_splits=20, seed=1):
    return jolt(ParameterPosterior(n_parameters=d, n_components=n_components, n_splits=n_splits), seed)


def mixture(n_taxa=5, n_components=3, seed=1, **options):
    options = {"n_parameters": D, **options}
    made = jolt(PhyloMixture(build_support(all_topologies(n_taxa)), n_components=n_components, **options), seed)
    with torch.no_grad():
        made.branches.base.table[..., 0] -= 0.7
    return made


def problem(**options):
    generator = np.random.default_rng(2)
    sets = (1 << generator.integers(0, 4, size=(5, 12))).astype(np.uint8)
    model = PhyloModel(SitePatterns(state_sets=sets, weights=np.ones(12)), 5, substitution_model="HKY+G4")
    return PhyloProblem(model, mixture(**options))


def normal_of(q, component):
    """The distribution of coordinates as torch has it."""
    factor = q.factor[component].tril(-1) + torch.diag(q.factor[component].diagonal().exp())
    whole = q.scale @ factor
    mean = q.centre + q.scale @ q.location[component]
    return torch.distributions.MultivariateNormal(mean, covariance_matrix=whole @ whole.T)


def test_density_is_that_of_a_normal():
    q = posterior()
    u = q.centre + torch.randn(9, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = q.log_prob(u, torch.tensor([2, 0]))
    expected = torch.stack([normal_of(q, a).log_prob(u) for a in (2, 0)])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(q.coordinates(q.whitened(u)), u)
    torch.testing.assert_close(q.coordinates(q.location), torch.stack([normal_of(q, a).mean for a in range(3)]))


def test_derivatives_of_the_density():
    """In location and factor, against torch's."""
    q = posterior()
    u = q.centre + torch.randn(9, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    leaves = (q.location, q.factor)
    found = torch.autograd.grad(q.log_prob(u, torch.arange(3)).sum(), leaves)
    exact = torch.autograd.grad(sum(normal_of(q, a).log_prob(u).sum() for a in range(3)), leaves)
    for x, y in zip(found, exact, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-8)


@torch.no_grad()
def test_draws_follow_the_density():
    """Whitened by the covariance that the density has they are independent standard normals."""
    q = posterior(n_components=2)
    n = 4000
    component = torch.tensor([0, 1]).repeat_interleave(n)
    draws = q.draw(component, torch.arange(2), torch.Generator().manual_seed(4))
    torch.testing.assert_close(draws.log_q, q.log_prob(draws.coordinates, torch.arange(2)), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(draws.coordinates, q.coordinates(draws.whitened))
    for a in range(2):
        of = normal_of(q, a)
        z = torch.linalg.solve_triangular(of.scale_tril, (draws.coordinates[component == a] - of.mean).T, upper=False)
        z = z.T.numpy()
        assert min(stats.kstest(column, "norm").pvalue for column in z.T) > FAILURE_RATE
        assert stats.kstest((z**2).sum(axis=1), stats.chi2(4).cdf).pvalue > FAILURE_RATE
        products = (z[:, :, None] * z[:, None, :]).reshape(n, -1)
        assert_mean(products, np.eye(4).reshape(-1))


def test_where_it_starts():
    q = posterior()
    generator = np.random.default_rng(5)
    scale = np.linalg.cholesky(np.cov(generator.normal(size=(4, 30))))
    response = generator.normal(size=(20, 4))
    q.start_fitted(np.arange(4.0), scale, response)
    for a in range(3):
        of = normal_of(q, a)
        np.testing.assert_allclose(of.mean.detach(), np.arange(4.0))
        np.testing.assert_allclose(of.covariance_matrix.detach(), scale @ scale.T, rtol=1e-10)
    assert np.array_equal(q.response.detach().numpy(), response)


def test_shift_is_the_product_of_rows_and_parameters():
    """Values and derivatives against a dense expression, and these against finite differences."""
    q = posterior()
    generator = torch.Generator().manual_seed(6)
    ids = np.random.default_rng(6).integers(0, 20, (8, 7))  # some several times
    v = torch.randn(8, 4, generator=generator, dtype=torch.float64).requires_grad_()
    upstream = torch.randn(8, 7, generator=generator, dtype=torch.float64)
    values = q.shift(ids, v)
    (upstream * values).sum().backward()
    table = q.response.detach().clone().requires_grad_()
    w = v.detach().clone().requires_grad_()
    dense = (table[torch.from_numpy(ids)] * w[:, None, :]).sum(dim=2)
    exact = torch.autograd.grad((upstream * dense).sum(), (table, w))
    torch.testing.assert_close(values, dense, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(v.grad, exact[1])
    found = q.response.grad
    torch.testing.assert_close(found, exact[0])
    with torch.no_grad():
        for row, column in ((int(ids[0, 0]), 0), (int(ids[3, 2]), 3)):
            ends = []
            for step in (1e-6, -1e-6):
                q.response[row, column] += step
                ends.append(float((upstream * q.shift(ids, v)).sum()))
                q.response[row, column] -= step
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(found[row, column]), rel=1e-6, abs=1e-8)


FAMILIES = [
    {}, {"tying": "topology"}, {"tying": "branch"}, {"tie_parameters": True},
    {"tying": "branch", "tie_parameters": True}, {"features": "split"}, {"flow": "skew"},
    {"flow": "realnvp", "flow_layers": 2, "flow_hidden": 5},
    {"flow": "realnvp", "flow_layers": 2, "flow_hidden": 5, "flow_per_component": True},
]  # fmt: skip


@pytest.mark.parametrize("options", FAMILIES, ids=str)
def test_drawn_densities_are_those_of_the_density_function(options):
    model = mixture(**options)
    plan = plan_of_subset("s2a", torch.tensor([0, 2]), 3)
    draws = model.draw(plan, 4, torch.Generator().manual_seed(7))
    assert draws.parameters.shape == (8, D)
    again = model.log_prob(draws.encoded, draws.log_lengths, parameters=draws.parameters)
    torch.testing.assert_close(again, draws.log_q, rtol=1e-9, atol=1e-9)
    some = model.log_prob(draws.encoded, draws.log_lengths, torch.tensor([1]), draws.parameters)
    torch.testing.assert_close(some[0], again[1])
    with pytest.raises(ConfigError, match="5 parameters: give their coordinates"):
        model.log_prob(draws.encoded, draws.log_lengths)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    other = mixture(seed=9, **options)
    other.load_state_dict(state)
    one, two = (m.draw(plan, 4, torch.Generator().manual_seed(8)) for m in (model, other))
    assert torch.equal(one.log_q, two.log_q)
    assert torch.equal(one.parameters, two.parameters)
    assert torch.equal(one.log_lengths, two.log_lengths)


def test_density_is_the_product_of_its_parts():
    """Topology, normal of the coordinates, log-normals whose location follows them."""
    model = mixture()
    draws = model.draw(all_components(3), 3, torch.Generator().manual_seed(9))
    q = model.parameter_posterior
    assert q is not None
    v = torch.linalg.solve(q.scale, (draws.parameters - q.centre).T).T
    shift = (q.response.detach()[torch.from_numpy(draws.encoded.split_ids)] * v[:, None]).sum(dim=2)
    plain = model.branches.log_prob(
        model.indexer.feature_ids(draws.encoded), torch.arange(3), draws.log_lengths - shift
    )
    expected = model.networks.log_prob(draws.encoded) + plain - shift.sum(dim=1)
    expected = expected + torch.stack([normal_of(q, a).log_prob(draws.parameters) for a in range(3)])
    torch.testing.assert_close(draws.log_q, expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_the_density_of_lengths_given_parameters_integrates_to_one():
    """By importance: draws at one coordinate vector, moved and stretched, under the density at another."""
    model = mixture(n_taxa=4, n_components=1)
    q = model.parameter_posterior
    assert q is not None
    encoded = encode(model.support, all_topologies(4)[np.zeros(20_000, dtype=int)])
    at = q.centre + 0.3
    generator = torch.Generator().manual_seed(10)
    x = -1.0 + 1.5 * torch.randn(20_000, 5, generator=generator, dtype=torch.float64)
    proposal = torch.distributions.LogNormal(torch.tensor(-1.0).double(), torch.tensor(1.5).double())
    each = at.expand(20_000, -1)
    log_q = model.log_prob(encoded, x, parameters=each)[0] - model.networks.log_prob(encoded)[0]
    log_q = log_q - q.log_prob(each, torch.tensor([0]))[0]
    assert_mean((log_q - proposal.log_prob(x.exp()).sum(dim=1)).exp().numpy(), 1.0)


@pytest.mark.parametrize(
    ("options", "rows"), [({}, 3), ({"tie_parameters": True}, 1), ({"tying": "branch"}, 3)], ids=str
)
def test_gradients_reach_all_parameters(options, rows):
    model = mixture(**options)
    groups = model.parameter_groups()
    assert list(groups) == ["topology", "base", "parameters"]
    q = model.parameter_posterior
    assert q is not None
    assert len(q.location) == rows
    draws = model.draw(all_components(3), 40, torch.Generator().manual_seed(1))
    (draws.log_q.sum() + draws.log_lengths.sum() + draws.parameters.sum()).backward()
    for parameter in groups["parameters"]:
        assert (parameter.grad.flatten(1).abs().sum(1) > 0).all()
    assert not torch.triu(q.factor.grad, 1).any()


def bound(target, plan, estimator, n_particles, seed):
    objective = Objective(estimator=estimator, n_components=3, n_sampled=plan.n_sampled, n_particles=n_particles)
    terms = target.draw(plan, n_particles, torch.Generator().manual_seed(seed))
    return objective.surrogate(terms, plan), terms


@pytest.mark.parametrize("tie", [False, True])
def test_the_gradient_is_that_of_finite_differences_with_the_draws_held(tie):
    target = problem(tie_parameters=tie)
    plan = all_components(3)

    def value():
        step, terms = bound(target, plan, "a2a", 3, 11)
        held = type(terms)(log_likelihood=terms.log_likelihood, log_prior=terms.log_prior, log_q=terms.log_q)
        objective = Objective(estimator="a2a", n_components=3, n_sampled=3, n_particles=3)
        del step
        return objective.surrogate(held, plan).loss

    groups = target.parameter_groups()["parameters"]
    value().backward()
    gradients = [p.grad.clone() for p in groups]
    generator = torch.Generator().manual_seed(12)
    with torch.no_grad():
        for parameter, gradient in zip(groups, gradients, strict=True):
            direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            ends = []
            for step in (1e-5, -1e-5):
                parameter += step * direction
                ends.append(float(value()))
                parameter -= step * direction
            assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(float((gradient * direction).sum()), rel=1e-5)


@pytest.mark.parametrize("estimator", ["s2a", "s2s"])
@pytest.mark.parametrize("options", [{}, {"tie_parameters": True}], ids=str)
def test_the_path_derivative_leaves_out_the_scores_and_nothing_else(estimator, options):
    target = problem(**options)
    plan = draw_plan(estimator, n_components=3, n_sampled=2, generator=torch.Generator().manual_seed(1))
    found, bounds = [], []
    for word in ("total", "path"):
        target.gradient = word
        target.zero_grad()
        step, _ = bound(target, plan, estimator, 4, 5)
        step.loss.backward()
        bounds.append(step.bound)
        found.append({name: p.grad.clone() for name, p in target.named_parameters()})
    assert torch.equal(*bounds)
    whole, partial = found

    draws = target.mixture.draw(plan, 4, torch.Generator().manual_seed(5))
    q, table = target.mixture.parameter_posterior, target.mixture.branches.base.table
    log_q = target.mixture.log_prob(
        draws.encoded, draws.log_lengths.detach(), plan.evaluated, draws.parameters.detach()
    )
    mixed = torch.logsumexp(log_q, dim=0) - np.log(plan.n_evaluated)
    log_w = (sum(target.log_densities(draws)) - mixed).detach().reshape(2, 4)
    share = torch.softmax(log_w, dim=1).reshape(-1) / 2
    scores = torch.autograd.grad((share * mixed).sum(), (table, q.location, q.factor))
    for name, score in zip(
        ("branches.base.table", "parameter_posterior.location", "parameter_posterior.factor"), scores, strict=True
    ):
        assert float(score.abs().max()) > 0.01
        difference = whole[f"mixture.{name}"] - partial[f"mixture.{name}"]
        torch.testing.assert_close(difference, score, rtol=1e-8, atol=1e-9)
        del whole[f"mixture.{name}"]
    for other in whole:
        torch.testing.assert_close(whole[other], partial[other], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n_sampled", [1, 2])
def test_s2a_averaged_over_subsets_is_a2a(n_sampled):
    """With the noise of each component held: bound and gradients, those of the parameters' distribution included."""
    target = problem()

    def noise(plan):
        """Draws of each component by itself, so that they do not depend on the subset."""
        parts = [
            target.draw(plan_of_subset("s2a", torch.tensor([int(a)]), 3), 4, torch.Generator().manual_seed(int(a)))
            for a in plan.sampled
        ]
        return type(parts[0])(
            **{
                name: torch.cat([getattr(p, name) for p in parts])
                for name in ("log_likelihood", "log_prior", "log_q", "log_q_score")
            }
        )

    def measure(estimator, plan):
        objective = Objective(estimator=estimator, n_components=3, n_sampled=plan.n_sampled, n_particles=4)
        target.zero_grad()
        step = objective.surrogate(noise(plan), plan)
        step.loss.backward()
        return [step.bound, *(p.grad.clone() for p in target.parameters())]

    whole = measure("a2a", all_components(3))
    subsets = [plan_of_subset("s2a", torch.as_tensor(s), 3) for s in combinations(range(3), n_sampled)]
    every = [measure("s2a", plan) for plan in subsets]
    for i, expected in enumerate(whole):
        mean = sum(found[i] for found in every) / len(every)
        torch.testing.assert_close(mean, expected, rtol=1e-9, atol=1e-10)


def test_model_and_mixture_must_have_the_same_parameters():
    target = problem()
    with pytest.raises(ConfigError, match=r"model has 5 parameters .*mixture 0"):
        PhyloProblem(target.model, PhyloMixture(target.mixture.support, n_components=2))
    with pytest.raises(ConfigError, match=r"model has 0 parameters .*mixture 5"):
        PhyloProblem(target.model.at(torch.zeros(5, dtype=torch.float64)), target.mixture)
