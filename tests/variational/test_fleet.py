"""A step of several mixtures at once against the compiled step of each. Torch's CPU plays the device."""

import importlib.util

import numpy as np
import pytest
import torch

from tests.variational.examples import random_mixture
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import JointObjective, Objective
from vbpi_mix.io.constraint_files import parse_constraints
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, random_topologies
from vbpi_mix.support import build_support
from vbpi_mix.variational import PhyloFleet, PhyloProblem

CPU = torch.device("cpu")
# A, S, estimator, size of the list of topologies that the support is made of, tying
MEMBERS = (
    (1, 1, "a2a", 4, "none"),
    (3, 2, "s2a", 12, "none"),
    (4, 2, "s2s", 9, "none"),
    (2, 2, "a2a", 12, "none"),
    (3, 1, "s2a", 7, "topology"),
    (2, 1, "s2s", 5, "branch"),
)


def target(model="JC69", *, seed=1, **options):
    """Six taxa and nine site patterns."""
    generator = np.random.default_rng(seed)
    states = (1 << generator.integers(0, 4, size=(6, 9))).astype(np.uint8)
    states[2, 3] = 15
    patterns = SitePatterns(state_sets=states, weights=generator.integers(1, 4, 9).astype(float))
    return PhyloModel(patterns, 6, substitution_model=model, **options)


def problems(model="JC69", *, members=MEMBERS, gradient="total", **options):
    """A problem of each kind, on supports and with parameters of their own."""
    made = []
    for i, (n_components, _, _, n_topologies, tying) in enumerate(members):
        each = target(model)
        support = build_support(random_topologies(n_topologies, 6, np.random.default_rng(10 + i)))
        mixture = random_mixture(
            support,
            i,
            n_components=n_components,
            tying=tying,
            n_parameters=each.parameters.n_coordinates,
            **options,
        )
        posterior = mixture.parameter_posterior
        if posterior is not None:  # models of a fleet have different Laplace approximations
            d = posterior.n_parameters
            generator = np.random.default_rng(i)
            scale = 0.1 * np.tril(generator.normal(size=(d, d))) + np.eye(d) * (0.3 + 0.1 * i)
            posterior.centre.copy_(torch.from_numpy(0.1 * generator.normal(size=d)))
            posterior.scale.copy_(torch.from_numpy(scale))
        made.append(PhyloProblem(each, mixture, gradient=gradient))
    return made


def objectives(members=MEMBERS, n_particles=3):
    return [
        Objective(estimator=estimator, n_components=a, n_sampled=s, n_particles=n_particles)
        for a, s, estimator, *_ in members
    ]


def generators(members=MEMBERS):
    return [torch.Generator().manual_seed(5 + i) for i in range(len(members))]


def stepped(fleet, chosen, temperatures):
    """A step of the fleet, its gradients by model and parameter."""
    step = JointObjective(chosen, CPU).step(fleet, generators(chosen), inverse_temperatures=temperatures)
    step.loss.backward()
    names = [name for name, table in fleet.tables.items() if table.values.grad is not None]
    return step, [
        {name: fleet.tables[name].of_model(i, fleet.tables[name].values.grad) for name in names}
        for i in range(len(chosen))
    ]


def assert_equal_steps(each, chosen, backend, temperatures=None):
    temperatures = temperatures or [1.0] * len(each)
    step, gradients = stepped(PhyloFleet(each, CPU, backend=backend), chosen, temperatures)
    for i, (problem, objective, generator) in enumerate(zip(each, chosen, generators(chosen), strict=True)):
        alone = objective.step(problem, generator, inverse_temperature=temperatures[i])
        alone.loss.backward()
        assert step.losses[i].item() == pytest.approx(alone.loss.item(), rel=1e-11)
        assert step.bounds[i].item() == pytest.approx(alone.bound.item(), rel=1e-12)
        assert step.ess[i].item() == pytest.approx(alone.ess.item(), rel=1e-10)
        for name, parameter in problem.named_parameters():
            tolerance = (1e-9 if parameter.dtype == torch.float64 else 1e-5) * float(parameter.grad.abs().max())
            torch.testing.assert_close(
                gradients[i][name], parameter.grad, rtol=0, atol=tolerance, msg=f"model {i}, {name}"
            )


SMALL = {"flow_layers": 4, "flow_hidden": 5}


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("JC69", {"gradient": "path"}),
        ("JC69", {"flow": "realnvp", **SMALL}),
        ("JC69", {"flow": "skew", "features": "split"}),
        ("JC69", {"flow": "planar", "gradient": "path"}),
        ("JC69", {"flow": "realnvp", "flow_per_component": True, "members": MEMBERS[:5], **SMALL}),
        ("HKY+G2", {"flow": "skew"}),
        ("GTR+F", {"flow": "skew", "tie_parameters": True, "gradient": "path"}),
        ("GTR{1,2,3,4,5,6}+F{0.1,0.2,0.3,0.4}+G2{0.5}", {}),
    ],
)
def test_bounds_and_gradients_equal_those_of_every_model_alone(model, options):
    each = problems(model, **options)
    assert_equal_steps(each, objectives(options.get("members", MEMBERS)), "numba")


def test_models_at_different_temperatures():
    each = problems(flow="skew")
    assert_equal_steps(each, objectives(), "numba", [1.0, 0.3, 0.01, 1.0, 0.7, 0.5])


def test_a_fleet_of_one():
    each = problems(members=MEMBERS[1:2], flow="skew")
    assert_equal_steps(each, objectives(MEMBERS[1:2]), "numba")


def test_a_single_particle():
    assert_equal_steps(problems(), objectives(n_particles=1), "numba")


@pytest.mark.gpu
@pytest.mark.parametrize(("model", "flow"), [("JC69", "realnvp"), ("HKY+G2", "skew")])
def test_by_the_kernels_for_a_device(model, flow):
    """In Triton's interpreter, unless Triton was imported without it before."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed: pip install 'vbpi_mix[gpu]'")
    from triton.runtime.interpreter import InterpretedFunction

    from vbpi_mix.felsenstein.gpu import jc69 as kernels

    if not isinstance(kernels.jc69_up, InterpretedFunction):
        pytest.skip("Triton was imported without its interpreter before")
    sizes = SMALL if flow == "realnvp" else {}
    assert_equal_steps(problems(model, members=MEMBERS[:3], flow=flow, **sizes), objectives(MEMBERS[:3]), "triton")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"model": target(seed=2)}, "the same alignment, model of substitution and priors"),
        ({"model": target("K80{2}")}, "the same alignment, model of substitution and priors"),
        ({"model": target(branch_prior_rate=9.0)}, "the same alignment, model of substitution and priors"),
        ({"gradient": "path"}, "the same gradient, features and kind of flow"),
        ({"features": "split"}, "the same gradient, features and kind of flow"),
        ({"flow": "skew"}, "give them the same flow"),
        ({"flow": "realnvp", **SMALL}, "give them the same flow"),
    ],
)
def test_models_that_do_not_go_together(other, message):
    support = build_support(random_topologies(5, 6, np.random.default_rng(1)))
    ours = PhyloProblem(target(), random_mixture(support, 1, n_components=2))
    model, gradient = other.pop("model", target()), other.pop("gradient", "total")
    theirs = PhyloProblem(model, random_mixture(support, 1, n_components=2, **other), gradient=gradient)
    with pytest.raises(ConfigError, match=message):
        PhyloFleet([ours, theirs], CPU, backend="numba")


def test_flows_of_different_sizes():
    members, sizes = MEMBERS[:1], ({"flow_layers": 4, "flow_hidden": 5}, {"flow_layers": 4, "flow_hidden": 6})
    each = [problems(members=members, flow="realnvp", **size)[0] for size in sizes]
    with pytest.raises(
        ConfigError, match=r"equal widths of mixture\.branches\.flow\.inner\.rows, not \[34\] and \[40\]"
    ):
        PhyloFleet(each, CPU, backend="numba")


def test_constraints_are_refused():
    constraints = parse_constraints(["not ((a,b),c,d,e,f);"], tuple("abcdef"))
    support = build_support(random_topologies(5, 6, np.random.default_rng(1)))
    ours = PhyloProblem(target(constraints=constraints), random_mixture(support, 1, n_components=1))
    with pytest.raises(ConfigError, match="no constraints: train them one at a time"):
        PhyloFleet([ours], CPU, backend="numba")


def test_objectives_that_do_not_go_together():
    one, other = objectives(MEMBERS[:2])
    more = Objective(estimator="a2a", n_components=1, n_sampled=1, n_particles=4)
    with pytest.raises(ConfigError, match="equal numbers of particles"):
        JointObjective([one, more], CPU)
    twice = Objective(estimator="a2a", n_components=1, n_sampled=1, n_particles=3, n_subsets=2)
    with pytest.raises(ConfigError, match="one subset"):
        JointObjective([other, twice], CPU)
