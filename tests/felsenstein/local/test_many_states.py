"""Local evaluation with any number of states, and with parts that differ in it, against whole trees."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.anneal.examples import exact_posterior, walk_chains
from vbpi_mix.anneal.chains import Walker, WalkSettings
from vbpi_mix.anneal.neighbourhood import NeighbourScorer
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.target import LocalModel
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.ascertainment import invariable_patterns
from vbpi_mix.phylo import DNA, PROTEIN, SitePatterns, TopologyBatch, nni_neighbours, random_topologies, standard

N = 7
MODELS = {"dna": "GTR{1.2,3.1,0.7,0.9,4.0}+F+I{0.2}+G2{0.5}", "protein": "LG+G4{0.5}", "standard": "MK"}


def related(data_type, n_taxa=N, n_patterns=70, seed=2, share=0.3):
    """Related sequences, some characters ambiguous or missing."""
    generator = np.random.default_rng(seed)
    n = data_type.n_states
    states = np.where(
        generator.random((n_taxa, n_patterns)) < share,
        generator.integers(n, size=(n_taxa, n_patterns)),
        generator.integers(n, size=n_patterns),
    )
    sets = np.uint64(1) << states.astype(np.uint64)
    kind = generator.random(sets.shape)
    sets = np.where(kind < 0.05, sets | (np.uint64(1) << generator.integers(n, size=sets.shape, dtype=np.uint64)), sets)
    sets = np.where(kind > 0.95, np.uint64(data_type.missing), sets).astype(data_type.dtype)
    return SitePatterns(
        state_sets=sets, weights=generator.integers(1, 3, n_patterns).astype(float), data_type=data_type
    )


def log_density(model, children, x, u):
    lengths = torch.from_numpy(np.exp(x))[None]
    topology = TopologyBatch(children[None])
    return float((model.log_likelihood(lengths, topology, u[None]) + model.branch_prior.log_prob(lengths))[0]) + x.sum()


def varying(patterns):
    kept = ~invariable_patterns(patterns)
    return replace(
        patterns, state_sets=np.ascontiguousarray(patterns.state_sets[:, kept]), weights=patterns.weights[kept]
    )


@pytest.mark.parametrize(
    ("types", "end"),
    [([PROTEIN], ""), ([DNA, PROTEIN, standard(3)], ""), ([standard(5)], ""), ([standard(2)], "+ASC"), ([DNA], "+ASC")],
)
def test_interchanges_have_densities_of_whole_trees(types, end):
    patterns = [varying(related(data_type)) if end else related(data_type) for data_type in types]
    model = PhyloModel(patterns, N, substitution_model=[MODELS[data_type.name] + end for data_type in types])
    generator = np.random.default_rng(5)
    (topology,) = random_topologies(1, N, generator)
    x = np.log(generator.exponential(0.2, 2 * N - 3) + 0.01)
    local = LocalModel(model)
    u = model.parameters.start()
    found = NeighbourScorer(local, local.spectra(u.numpy()[None])[0]).score(topology.children, x, sweeps=1)
    neighbours = nni_neighbours(topology.batch())
    below = [{i} for i in range(N)]
    for a, b in topology.children.tolist():
        below.append(below[a] | below[b])
    up = topology.batch().parents()[0]
    x_of = {frozenset(below[v]): x[v] for v in range(1, 2 * N - 3)} | {frozenset(below[2 * N - 3]): x[0]}
    for row, children in enumerate(neighbours.children):
        node, way = N + row // 2, row % 2
        pair = topology.children[up[node] - N]
        sibling = pair[0] if pair[1] == node else pair[1]
        kids = topology.children[node - N]
        new_clade = below[sibling] | below[kids[1 - way]]
        five = [new_clade, below[sibling], below[kids[0]], below[kids[1]], below[up[node]]]
        of_five = {frozenset(taxa): value for taxa, value in zip(five, found.log_lengths[row], strict=True)}
        sets = [{i} for i in range(N)]
        for a, b in children.tolist():
            sets.append(sets[a] | sets[b])
        edges = [sets[2 * N - 3], *sets[1 : 2 * N - 3]]
        whole = np.array([of_five.get(frozenset(s), x_of.get(frozenset(s), np.nan)) for s in edges])
        assert found.log_density[row] == pytest.approx(log_density(model, children, whole, u), abs=1e-7)


@pytest.mark.parametrize("types", [[PROTEIN], [DNA, PROTEIN, standard(3)], [standard(5)]])
@pytest.mark.parametrize("beta", [1.0, 0.5], ids=["posterior", "power"])
def test_walks_end_with_the_likelihood_of_their_trees(types, beta):
    """Regrafts at every edge, from any root: what the messages say is what whole trees have."""
    n = 12
    patterns = [related(data_type, n) for data_type in types]
    model = PhyloModel(patterns, n, substitution_model=[MODELS[data_type.name] for data_type in types])
    walker = Walker(model, settings=WalkSettings(regrafts=1.0))
    generator = np.random.default_rng(6)
    topologies = random_topologies(3, n, generator)
    particles = Particles(
        topologies=topologies,
        log_lengths=np.log(generator.exponential(0.3, (3, 2 * n - 3)) + 0.01),
        coordinates=np.tile(model.parameters.start().numpy(), (3, 1)),
        log_likelihood=np.full(3, np.nan),
    )
    for _ in range(3):
        particles = walker.move(particles, generator.spawn(3), rounds=1.0, typical=np.array([-2.0, -2.0]), beta=beta)
        again = model.log_likelihood(
            torch.from_numpy(np.exp(particles.log_lengths)),
            particles.topologies,
            torch.from_numpy(particles.coordinates),
        )
        np.testing.assert_allclose(particles.log_likelihood, again.numpy(), rtol=1e-11)
    assert walker.counts[4] > 10  # regrafts made


@pytest.mark.slow
def test_chains_of_protein_moves_follow_the_posterior():
    """Five-sigma bounds on frequencies of topologies by 40 independent chains."""
    model = PhyloModel(related(PROTEIN, 5, 25, seed=4, share=0.6), 5, substitution_model="LG")
    log_ml, _ = exact_posterior(model)
    expected = np.exp(log_ml - log_ml.max())
    expected /= expected.sum()
    frequencies, _, particles = walk_chains(model)
    error = frequencies.std(axis=0, ddof=1) / np.sqrt(len(frequencies))
    assert (np.abs(frequencies.mean(axis=0) - expected) < 5 * error + 0.01).all()
    again = model.log_likelihood(torch.from_numpy(np.exp(particles.log_lengths)), particles.topologies)
    np.testing.assert_allclose(particles.log_likelihood, again.numpy(), atol=1e-6)
