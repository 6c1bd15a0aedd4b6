"""Interchanges with five optimised edges, against whole trees."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from tests.anneal.examples import GENERAL
from tests.experiment.simulated import simulate
from vbpi_mix.anneal.neighbourhood import NeighbourScorer
from vbpi_mix.anneal.target import LocalModel
from vbpi_mix.model import PhyloModel, parse_branch_prior
from vbpi_mix.phylo import Alignment, TopologyBatch, nni_neighbours, random_topologies, site_patterns
from vbpi_mix.phylo.alignment import IUPAC

N = 9


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(8)
    topology = next(iter(random_topologies(1, N, generator)))
    lengths = generator.exponential(0.1, 2 * N - 3)
    characters = simulate(topology, lengths, 150, 8)
    sets = np.vectorize(IUPAC.__getitem__)(characters).astype(np.uint8)
    return site_patterns(Alignment(taxa=tuple(f"t{i}" for i in range(N)), state_sets=sets)), topology, lengths


def log_density(model, children, x):
    lengths = torch.from_numpy(np.exp(x))[None]
    topology = TopologyBatch(children[None])
    return float((model.log_likelihood(lengths, topology) + model.branch_prior.log_prob(lengths))[0]) + x.sum()


def edges_of(children, wanted, n):
    """Edges of a canonical tree by the sets of taxa below them."""
    below = [{i} for i in range(n)]
    for a, b in children:
        below.append(below[a] | below[b])
    return [next(e if e < 2 * n - 3 else 0 for e in range(1, 2 * n - 2) if below[e] == w) for w in wanted]


@pytest.mark.parametrize("prior", ["exponential(10)", "gammadir(1,0.1,1,1)"])
@pytest.mark.parametrize("text", ["JC69", GENERAL])
def test_scores_are_densities_of_whole_trees_at_the_best_five_lengths(data, text, prior):
    patterns, topology, lengths = data
    model = PhyloModel(patterns, N, substitution_model=text, branch_prior=parse_branch_prior(prior, 10.0))
    local = LocalModel(model)
    scorer = NeighbourScorer(local, local.spectra(np.zeros((1, 0)))[0])
    x = np.log(lengths)
    found = scorer.score(topology.children, x, sweeps=4)
    neighbours = nni_neighbours(topology.batch())
    below = [{i} for i in range(N)]
    for a, b in topology.children.tolist():
        below.append(below[a] | below[b])
    up = topology.batch().parents()[0]
    sets = below[: 2 * N - 2]
    x_of = {frozenset(sets[v]): x[v] for v in range(1, 2 * N - 3)} | {frozenset(sets[2 * N - 3]): x[0]}
    assert neighbours.n_trees == len(found.log_density)
    for row in range(neighbours.n_trees):
        node, way = N + row // 2, row % 2
        above = up[node]
        pair = topology.children[above - N]
        sibling = pair[0] if pair[1] == node else pair[1]
        kids = topology.children[node - N]
        moved, stays = kids[way], kids[1 - way]
        new_clade = sets[sibling] | sets[stays]
        wanted = [new_clade, sets[sibling], sets[kids[0]], sets[kids[1]], sets[above]]
        children = neighbours.children[row]
        five = edges_of(children.tolist(), wanted, N)
        whole = np.empty(2 * N - 3)
        for edge, taxa in enumerate(_sets_of_edges(children)):
            whole[edge] = x_of.get(frozenset(taxa), np.nan)
        whole[five] = found.log_lengths[row]
        assert found.log_density[row] == pytest.approx(log_density(model, children, whole), abs=1e-7)

        def loss(z, whole=whole, five=five, children=children):
            at = whole.copy()
            at[five] = z
            return -log_density(model, children, at)

        if row % 5 == 0:
            best = minimize(loss, found.log_lengths[row], method="Nelder-Mead", options={"fatol": 1e-6, "maxfev": 4000})
            assert found.log_density[row] > -best.fun - 0.1
        assert sets[moved]


def _sets_of_edges(children):
    n = len(children) + 2
    below = [{i} for i in range(n)]
    for a, b in children.tolist():
        below.append(below[a] | below[b])
    return [below[2 * n - 3], *below[1 : 2 * n - 3]]
