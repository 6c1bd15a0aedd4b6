"""Every move of many particles leaves its target invariant: on the path without data in closed form, and with data."""

import numpy as np
import pytest
import torch
from scipy.special import gammaln

from tests.anneal.examples import GENERAL, TAXA, exact_posterior, no_data, small_model
from tests.anneal.test_rules import CASES, constrained
from tests.anneal.test_smc import narrow_reference
from tests.statistics import assert_mean
from vbpi_mix.anneal.batched.density import BatchedDensity
from vbpi_mix.anneal.batched.moves import move_interchange, move_lengths, move_regraft
from vbpi_mix.anneal.batched.reference import BatchedReference
from vbpi_mix.anneal.batched.rules import BatchedRules
from vbpi_mix.anneal.batched.trees import canonical, make_trees, node_lengths
from vbpi_mix.anneal.chains import PathDensity
from vbpi_mix.anneal.rules import make_rules
from vbpi_mix.model import parse_branch_prior
from vbpi_mix.phylo import all_topologies

CPU = torch.device("cpu")
MOVES = {"interchanges": (3, 0), "regrafts": (0, 3), "both": (2, 1)}
STEP = {1.0: 0.3, 0.5: 0.5}


def reference_of(model):
    """Fitted to few topologies, and lengths that are far from the posterior's."""
    topologies = all_topologies(model.n_taxa)
    times = np.zeros(topologies.n_trees, dtype=int)
    times[[1, 6, 11]] = [5, 3, 2]
    return narrow_reference(topologies, times)


def chains(model, moves, *, beta=1.0, n_chains=300, n_rounds=80, burn_in=30, seed=1, step=None):
    """One-hot topologies and lengths, both means over rounds, of chains (n, T) and (n, E); and where they end."""
    n_interchanges, n_regrafts = moves
    topologies = all_topologies(model.n_taxa)
    number = {row.tobytes(): i for i, row in enumerate(topologies.children)}
    start = topologies[np.flatnonzero(model.allows(topologies))[np.arange(n_chains) % model.allows(topologies).sum()]]
    reference = reference_of(model)
    density = BatchedDensity(model, BatchedReference(reference, CPU), beta)
    rules = BatchedRules(make_rules(model.constraints), CPU)
    generator = torch.Generator().manual_seed(seed)
    state = density.state(
        make_trees(start, CPU),
        node_lengths(np.full((n_chains, topologies.n_edges), -2.0), CPU),
        torch.zeros(n_chains, 0, dtype=torch.float64),
    )
    shares, lengths = np.zeros((n_chains, topologies.n_trees)), np.zeros((n_chains, topologies.n_edges))
    for i in range(n_rounds):
        for _ in range(n_interchanges):
            state, _ = move_interchange(state, density, rules, generator)
        for _ in range(n_regrafts):
            state, _ = move_regraft(state, density, rules, generator)
        state, _ = move_lengths(state, density, generator, step=step or STEP[beta], n_steps=3)
        if i >= burn_in:
            found, x = canonical(state.trees, state.x)
            shares[np.arange(n_chains), [number[row.tobytes()] for row in found.children]] += 1
            lengths += np.exp(x)
    return shares / (n_rounds - burn_in), lengths / (n_rounds - burn_in), state, (reference, density)


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("prior", ["exponential(10)", "gammadir(2,3,1.5,0.5)"])
def test_without_data_the_moves_sample_the_prior(moves, prior):
    model = small_model(no_data(), branch_prior=parse_branch_prior(prior, 10.0))
    shares, lengths, _, _ = chains(model, moves)
    assert_mean(shares, 1 / 15)
    if prior.startswith("exponential"):
        assert_mean(lengths, 0.1)
    else:  # mean tree length 2/3; shares 1.5 at tips and 0.75 inside
        tip = 2 / 3 * 1.5 / (TAXA * 1.5 + 2 * 0.75)
        assert_mean(lengths, [tip] * TAXA + [tip / 2] * 2)


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_without_data_the_path_has_a_closed_form(moves):
    """A product of gamma densities, to a power, with exponential ones: gamma densities again."""
    beta, rate = 0.5, 10.0
    shares, lengths, _, (reference, _) = chains(small_model(no_data()), moves, beta=beta)
    said = reference.describe(all_topologies(TAXA))
    a = (1 - beta) * said.shapes + beta
    b = (1 - beta) * said.rates + beta * rate
    each = gammaln(a) - a * np.log(b) + (1 - beta) * (said.shapes * np.log(said.rates) - gammaln(said.shapes))
    log_share = (1 - beta) * said.log_topology + each.sum(axis=1)
    share = np.exp(log_share - np.logaddexp.reduce(log_share))
    assert share.max() > 5 * share.min()
    assert_mean(shares, share)
    assert_mean(lengths, share @ (a / b))


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("text", ["JC69", GENERAL])
def test_with_data_the_moves_sample_the_posterior(moves, text):
    model = small_model(model=text)
    log_ml, means = exact_posterior(model)
    share = np.exp(log_ml - np.logaddexp.reduce(log_ml))
    shares, lengths, state, _ = chains(model, moves)
    assert_mean(shares, share, slack=0.004)  # 20,000 draws know the shares that well
    assert_mean(lengths, share @ means, slack=0.002)
    topologies, x = canonical(state.trees, state.x)
    expected = model.log_likelihood(torch.from_numpy(np.exp(x)), topologies)
    torch.testing.assert_close(state.log_likelihood, expected, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("case", ["no clade", "backbone"])
def test_with_data_the_moves_sample_the_posterior_under_constraints(case):
    model, share, means, _ = constrained(CASES[case])
    shares, lengths, _, _ = chains(model, MOVES["both"])
    assert (shares[:, share == 0] == 0).all()
    assert_mean(shares, share, slack=0.004)
    assert_mean(lengths, share @ means, slack=0.002)


def test_values_and_gradients_are_those_of_the_density_on_the_path():
    model, beta = small_model(), 0.3
    _, _, state, (reference, density) = chains(model, MOVES["both"], beta=0.5, n_chains=20, n_rounds=3, burn_in=0)
    density = BatchedDensity(model, density.reference, beta)
    said = density.describe(state.trees)
    found, gradient = density.with_gradient(*state[:3], said)
    topologies, x = canonical(state.trees, state.x)
    path = PathDensity(model, topologies, reference, beta)

    def value(x):
        return path.value(x, np.zeros((len(x), 0)), path.log_likelihood(x, np.zeros((len(x), 0))))

    np.testing.assert_allclose(found.value.numpy(), value(x), rtol=1e-11)
    steps = 1e-5 * np.eye(x.shape[1])
    numeric = np.stack([(value(x + e) - value(x - e)) / 2e-5 for e in steps], axis=1)
    np.testing.assert_allclose(canonical(state.trees, gradient)[1], numeric, rtol=1e-6, atol=1e-6)
