"""Substitution models with unknown parameters: against models with the same numbers, SciPy, finite differences."""

import numpy as np
import pytest
import torch
from scipy import stats

from tests.felsenstein import examples
from vbpi_mix.errors import ConfigError
from vbpi_mix.model import (
    ExponentialBranchPrior,
    GammaDirichletBranchPrior,
    ModelFamily,
    ParameterPriors,
    ParameterSpace,
    PhyloModel,
    parse_model,
    parse_priors,
    substitution_model,
)
from vbpi_mix.model.gamma import LARGEST_SHAPE, SMALLEST_SHAPE
from vbpi_mix.model.parameter_space import shares

N = 5
PATTERNS = examples.patterns(N, 30, np.random.default_rng(1))
TOPOLOGIES = examples.shapes(4, N, np.random.default_rng(2))
LENGTHS = torch.from_numpy(np.random.default_rng(3).exponential(0.2, (4, 2 * N - 3)))

RATES = tuple(f"r({x}<->{y})" for x, y in ("AC", "AG", "AT", "CG", "CT", "GT"))
PI = tuple(f"pi({x})" for x in "ACGT")
GIVEN, F = "{1.2,3.1,0.7,0.9,4.0}", "+F{0.35,0.15,0.2,0.3}"
GTR = np.array([1.2, 3.1, 0.7, 0.9, 4.0, 1.0]) / 10.9
FREQUENCIES = [0.35, 0.15, 0.2, 0.3]

# what is asked for -> names, their values, and the string with these values in braces
MODELS = {
    "K80": (("kappa",), [2.5], "K80{2.5}"),
    "JC+G": (("alpha",), [0.6], "JC+G4{0.6}"),
    "JC+GA3": (("alpha",), [0.6], "JC+GA3{0.6}"),
    "JC+I": (("pinvar",), [0.3], "JC+I{0.3}"),
    "JC+I+G4": (("alpha", "pinvar"), [0.6, 0.3], "JC+I{0.3}+G4{0.6}"),
    "F81": (PI, FREQUENCIES, f"F81{F}"),
    "F81+FQ+G": (("alpha",), [0.6], "F81+FQ+G{0.6}"),
    "HKY": (("kappa", *PI), [2.5, *FREQUENCIES], f"HKY{{2.5}}{F}"),
    "HKY+F": (("kappa",), [2.5], "HKY{2.5}+F"),
    "HKY+FQ+I": (("kappa", "pinvar"), [2.5, 0.3], "HKY{2.5}+FQ+I{0.3}"),
    "TN": (
        ("r(A<->G)", "r(C<->T)", "r(others)", *PI), [2 / 6, 3 / 6, 1 / 6, *FREQUENCIES], f"TN{{2,3}}{F}",
    ),
    "GTR": ((*RATES, *PI), [*GTR, *FREQUENCIES], f"GTR{GIVEN}{F}"),
    "GTR+I+G5": ((*RATES, *PI, "alpha", "pinvar"), [*GTR, *FREQUENCIES, 0.6, 0.3], f"GTR{GIVEN}{F}+I{{0.3}}+G5{{0.6}}"),
    f"GTR{GIVEN}+FO+G4": ((*PI, "alpha"), [*FREQUENCIES, 0.6], f"GTR{GIVEN}{F}+G4{{0.6}}"),
    "GTR+FQ+I{0.3}+G4{0.6}": (RATES, list(GTR), "GTR{1.2,3.1,0.7,0.9,4.0}+FQ+I{0.3}+G4{0.6}"),
    "HKY{2.5}+F{0.35,0.15,0.2,0.3}+G2": (("alpha",), [0.6], f"HKY{{2.5}}{F}+G2{{0.6}}"),
}  # fmt: skip


def family(text, priors=None):
    return ModelFamily(parse_model(text, infer=True), PATTERNS, ParameterPriors() if priors is None else priors)


def coordinates_of(model, values):
    """(d,) of the reported values: logarithms of ratios to the last share, logarithms, the logit."""
    found, at = [], 0
    for block in model.blocks:
        x = np.array(values[at : at + len(block.names)])
        at += len(block.names)
        if block.n_shares:
            found.extend(np.log(x[:-1] / x[-1]))
        else:
            found.append(np.log(x[0] / (1 - x[0])) if block.kind == "invariant" else np.log(x[0]))
    return torch.tensor(found, dtype=torch.float64)


def spread(space, n, seed=4, scale=0.7):
    """(n, d) different coordinates around a usual model."""
    noise = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, space.n_coordinates)))
    return space.start() + scale * noise


@pytest.mark.parametrize("text", MODELS)
def test_equal_to_the_model_with_these_numbers(text):
    names, values, fixed = MODELS[text]
    model = family(text)
    at = coordinates_of(model, values)
    assert model.names == names
    assert model.n_coordinates == len(at)
    np.testing.assert_allclose(model.values(at[None])[0], values, rtol=1e-14)
    single, expected = model.at(at), substitution_model(fixed, PATTERNS)
    for x, y in zip(
        (single.transition_matrices(LENGTHS), single.root_frequencies(), single.category_weights()),
        (expected.transition_matrices(LENGTHS), expected.root_frequencies(), expected.category_weights()),
        strict=True,
    ):
        torch.testing.assert_close(x, y, rtol=1e-11, atol=1e-13)
    assert single.exchangeable == expected.exchangeable or expected.root_frequencies().std() > 0

    target = PhyloModel(PATTERNS, N, substitution_model=text)
    assert target.parameters.names == names
    value = PhyloModel(PATTERNS, N, substitution_model=fixed).log_likelihood(LENGTHS, TOPOLOGIES)
    each = at.expand(4, -1)
    torch.testing.assert_close(target.log_likelihood(LENGTHS, TOPOLOGIES, each), value, rtol=1e-12, atol=0)
    torch.testing.assert_close(target.at(at).log_likelihood(LENGTHS, TOPOLOGIES), value, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        target.at(at).hessian(LENGTHS, TOPOLOGIES),
        PhyloModel(PATTERNS, N, substitution_model=fixed).hessian(LENGTHS, TOPOLOGIES),
        rtol=1e-9, atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize("text", ["JC", "JC+G4{0.5}", "HKY{2}+F", "GTR{1,2,3,4,5}+FQ+I{0.1}"])
def test_nothing_to_infer(text):
    model = PhyloModel(PATTERNS, N, substitution_model=text)
    assert (model.parameters.names, model.parameters.n_coordinates) == ((), 0)
    assert model.at(torch.empty(0, dtype=torch.float64)) is model
    empty = torch.empty(4, 0, dtype=torch.float64)
    assert model.parameters.values(empty).shape == (4, 0)
    assert not model.parameters.log_prior(empty).any()


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize("text", ["JC+I+G4", "HKY+GA3", "TN+I", "GTR+I+G4"])
def test_derivatives_in_the_coordinates(text, backend):
    """Of the likelihood by finite differences in a direction, trees with models of their own."""
    model = PhyloModel(PATTERNS, N, substitution_model=text, backend=backend)
    u = spread(model.parameters, 4).requires_grad_()
    lengths = LENGTHS.clone().requires_grad_()
    factors = torch.linspace(0.5, 2.0, 4, dtype=torch.float64)

    def value(lengths, u):
        return (factors * model.log_joint(lengths, TOPOLOGIES, u)).sum()

    gradients = torch.autograd.grad(value(lengths, u), (lengths, u))
    generator = np.random.default_rng(5)
    for i, gradient in enumerate(gradients):
        direction = torch.from_numpy(generator.normal(size=gradient.shape)) * (LENGTHS if i == 0 else 1.0)
        with torch.no_grad():
            of_lengths, of_u = (direction, 0.0) if i == 0 else (0.0, direction)
            ends = [value(lengths + s * of_lengths, u + s * of_u) for s in (1e-5, -1e-5)]
        assert float((ends[0] - ends[1]) / 2e-5) == pytest.approx(float((gradient * direction).sum()), rel=1e-6)


PRIORS = [
    "exchangeabilities=dirichlet(2)", "ratio=beta(2,3)", "frequencies=dirichlet(4,3,2,1)", "shape=gamma(2,3)",
    "invariant=beta(1.5,4)", "multipliers=dirichlet(3,2)",
]  # fmt: skip


def log_density(kind, prior, x):
    """SciPy's, of a Dirichlet's first shares or of a number."""
    if kind in ("rates", "frequencies", "multipliers"):
        a = np.broadcast_to(prior.concentration, len(x))
        return stats.dirichlet.logpdf(x / x.sum(), a)
    if kind in ("ratio", "invariant"):
        return stats.beta.logpdf(x[0], prior.a, prior.b)
    return {
        "Exponential": lambda: stats.expon.logpdf(x[0], scale=1 / prior.rate),
        "Gamma": lambda: stats.gamma.logpdf(x[0], prior.shape, scale=1 / prior.rate),
        "LogNormal": lambda: stats.lognorm.logpdf(x[0], prior.sd, scale=np.exp(prior.mean)),
    }[type(prior).__name__]()


@pytest.mark.parametrize("given", [[], PRIORS, [*PRIORS[:3], "shape=lognormal(-0.5,0.7)"]])
@pytest.mark.parametrize("text", ["K80", "HKY+I+G", "TN+FQ", "GTR+I+G"])
def test_priors_are_densities_of_the_coordinates(text, given):
    model = family(text, parse_priors(given))
    u = torch.from_numpy(np.random.default_rng(6).normal(size=(7, model.n_coordinates)))
    expected = np.zeros(7)
    for t in range(7):
        for block in model.blocks:

            def own(v, block=block):
                """What the prior is of, without the last share."""
                x = block.values(v[None])[0]
                return x / (1 + x) if block.kind == "ratio" else x[:-1] if block.n_shares else x

            inside = _Shifted(block)
            v = u[t, block.columns]
            jacobian = torch.autograd.functional.jacobian(lambda v, f=own, b=inside: f(v, b), v)
            x = inside.values(v[None])[0].numpy()
            x = x / (1 + x) if block.kind == "ratio" else x
            _, log_det = np.linalg.slogdet(jacobian.numpy())
            expected[t] += log_density(block.kind, block.prior, x) + log_det
    np.testing.assert_allclose(model.log_prior(u).numpy(), expected, rtol=1e-12, atol=1e-11)


class _Shifted:
    """A block by itself, its columns from 0."""

    def __init__(self, block):
        self.kind, self.n_shares, self.prior = block.kind, block.n_shares, block.prior
        self._block, self._first = block, block.columns.start

    def values(self, v):
        return self._block.values(torch.nn.functional.pad(v, (self._first, 0)))


def test_several_parts_are_a_sum():
    """Each part at its own rate, with its own model; one of them fixed, one merged by JC69's symmetry."""
    generator = np.random.default_rng(7)
    parts = [examples.patterns(N, n, generator) for n in (20, 7, 33)]
    texts = ["HKY+G4", "GTR{1,2,3,4,5}+FQ", "JC+I"]
    model = PhyloModel(parts, N, substitution_model=texts)
    space = model.parameters
    assert space.names == (
        "kappa{1}", "pi(A){1}", "pi(C){1}", "pi(G){1}", "pi(T){1}", "alpha{1}", "pinvar{3}", "m{1}", "m{2}", "m{3}",
    )  # fmt: skip
    assert space.n_coordinates == 5 + 1 + 2
    u = spread(space, 4)
    values = space.values(u)
    n_sites = np.array([p.n_sites for p in parts])
    multipliers = values[:, -3:]
    torch.testing.assert_close(
        multipliers @ torch.from_numpy(n_sites / n_sites.sum()), torch.ones(4, dtype=torch.float64)
    )
    torch.testing.assert_close(space.multipliers(u), multipliers)
    expected = torch.zeros(4, dtype=torch.float64)
    for i, (patterns, text) in enumerate(zip(parts, texts, strict=True)):
        alone = PhyloModel(patterns, N, substitution_model=text)
        rest = space.of_part(i, u) if alone.parameters.n_coordinates else None
        expected += alone.log_likelihood(LENGTHS * multipliers[:, i, None], TOPOLOGIES, rest)
    torch.testing.assert_close(model.log_likelihood(LENGTHS, TOPOLOGIES, u), expected, rtol=1e-13, atol=0)
    assert model.n_sites == n_sites.sum()
    assert len(model.pattern_weights) == sum(p.patterns.n_patterns for p in model.parts)

    # fixed at one tree's parameters, with Hessians of the scaled lengths
    fixed = model.at(u[0])
    torch.testing.assert_close(fixed.log_likelihood(LENGTHS[:1], TOPOLOGIES[[0]]), expected[:1], rtol=1e-12, atol=0)
    assert fixed.parameters.n_coordinates == 0
    step = 1e-5
    hessian = fixed.hessian(LENGTHS[:1], TOPOLOGIES[[0]])[0]

    def slope(lengths):
        leaf = lengths.clone().requires_grad_()
        return torch.autograd.grad(fixed.log_likelihood(leaf, TOPOLOGIES[[0]]).sum(), leaf)[0][0]

    for e in range(2 * N - 3):
        moved = torch.zeros_like(LENGTHS[:1])
        moved[0, e] = step
        difference = (slope(LENGTHS[:1] + moved) - slope(LENGTHS[:1] - moved)) / (2 * step)
        torch.testing.assert_close(difference, hessian[e], rtol=1e-5, atol=1e-3)

    # the prior of all
    prior = sum(
        f.log_prior(space.of_part(i, u)) for i, f in enumerate(space.families) if f is not None
    ) + space.priors.multipliers.log_prob(shares(u[:, -2:]))
    torch.testing.assert_close(space.log_prior(u), prior)
    of_lengths = ExponentialBranchPrior(10.0).log_prob(LENGTHS)
    torch.testing.assert_close(model.log_prior(LENGTHS, u) - prior - of_lengths, torch.full((4,), -np.log(15)).double())


def test_derivatives_in_the_multipliers():
    parts = [examples.patterns(N, n, np.random.default_rng(n)) for n in (20, 7)]
    model = PhyloModel(parts, N, substitution_model="JC+G4", branch_prior=GammaDirichletBranchPrior())
    u = spread(model.parameters, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_joint(LENGTHS, TOPOLOGIES, u).sum(), u)
    direction = torch.from_numpy(np.random.default_rng(8).normal(size=u.shape))
    with torch.no_grad():
        ends = [model.log_joint(LENGTHS, TOPOLOGIES, u + s * direction).sum() for s in (1e-5, -1e-5)]
    assert float((ends[0] - ends[1]) / 2e-5) == pytest.approx(float((gradient * direction).sum()), rel=1e-6)


def test_parts_without_parameters_but_their_rates():
    parts = [examples.patterns(N, n, np.random.default_rng(n)) for n in (20, 7)]
    model = PhyloModel(parts, N)
    assert model.parameters.names == ("m{1}", "m{2}")
    start = model.parameters.start()
    torch.testing.assert_close(model.parameters.values(start[None]), torch.ones(1, 2, dtype=torch.float64))
    whole = sum(PhyloModel(p, N).log_likelihood(LENGTHS, TOPOLOGIES) for p in parts)
    torch.testing.assert_close(model.log_likelihood(LENGTHS, TOPOLOGIES, start.expand(4, -1)), whole)


def test_where_a_search_begins():
    space = PhyloModel(PATTERNS, N, substitution_model="HKY+I+G").parameters
    np.testing.assert_allclose(space.values(space.start()[None])[0], [2, *[0.25] * 4, 0.5, 0.1])


def test_shapes_beyond_the_smallest_and_the_largest():
    """They are those at the bounds, with derivative zero; nothing else changes."""
    model = family("JC+G4")
    u = torch.tensor([[-30.0], [np.log(SMALLEST_SHAPE)], [30.0], [np.log(LARGEST_SHAPE)]], dtype=torch.float64)
    u.requires_grad_()
    rates = model.models(u).category_rates()
    torch.testing.assert_close(rates[0], rates[1])
    torch.testing.assert_close(rates[2], rates[3])
    (gradient,) = torch.autograd.grad(rates[:, 0].sum(), u)
    assert gradient[[0, 2]].tolist() == [[0.0], [0.0]]
    target = PhyloModel(PATTERNS, N, substitution_model="JC+G4")
    with torch.no_grad():
        values = target.log_likelihood(LENGTHS, TOPOLOGIES, u)
        assert values.isfinite().all()
        torch.testing.assert_close(target.at(u[0]).log_likelihood(LENGTHS[:1], TOPOLOGIES[[0]]), values[:1])


def test_proportions_that_are_nearly_one():
    target = PhyloModel(PATTERNS, N, substitution_model="JC+I")
    u = torch.full((4, 1), 50.0, dtype=torch.float64).requires_grad_()
    values = target.log_likelihood(LENGTHS, TOPOLOGIES, u)
    assert values.isfinite().all()
    (gradient,) = torch.autograd.grad(values.sum(), u)
    assert not gradient.any()
    with torch.no_grad():
        torch.testing.assert_close(target.log_likelihood(LENGTHS, TOPOLOGIES, u + 1000), values)
        assert (target.log_prior(LENGTHS, u + 10) < target.log_prior(LENGTHS, u) - 9).all()


def test_what_is_refused():
    model = PhyloModel(PATTERNS, N, substitution_model="K80+G4")
    with pytest.raises(ConfigError, match="2 parameters: give their coordinates"):
        model.log_likelihood(LENGTHS, TOPOLOGIES)
    with pytest.raises(ConfigError, match="2 parameters: give their coordinates"):
        model.log_prior(LENGTHS)
    with pytest.raises(ConfigError, match=r"coordinates \(4, 2\), not \(4, 3\)"):
        model.log_likelihood(LENGTHS, TOPOLOGIES, torch.zeros(4, 3, dtype=torch.float64))
    with pytest.raises(ConfigError, match=r"coordinates \(1, 2\), not \(1, 1\)"):
        model.at(torch.zeros(1, dtype=torch.float64))
    with pytest.raises(ConfigError, match="choose them with `at`"):
        model.hessian(LENGTHS, TOPOLOGIES)
    with pytest.raises(ConfigError, match="the model K80"):
        model.parts[0].log_likelihood(LENGTHS, TOPOLOGIES)
    with pytest.raises(ConfigError, match=r"2 substitution models .*3 parts"):
        PhyloModel([PATTERNS] * 3, N, substitution_model=["JC", "K80"])
    with pytest.raises(ConfigError, match="the alignment has 2 parts"):
        _ = PhyloModel([PATTERNS] * 2, N).patterns
    for text, prior, message in (
        ("HKY", "frequencies=dirichlet(1,2)", "of the frequencies takes 1 number or 4, not 2"),
        ("TN", "exchangeabilities=dirichlet(1,1,1,1,1,1)", "of the exchangeabilities takes 1 number or 3, not 6"),
    ):
        with pytest.raises(ConfigError, match=message):
            family(text, parse_priors([prior]))
    with pytest.raises(ConfigError, match=r"rate multipliers .*1 number or 2, not 3"):
        ParameterSpace([None, None], [3, 4], parse_priors(["multipliers=dirichlet(1,2,3)"]))
