import numpy as np
import pytest

from tests.posterior.questions.examples import SIX
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.questions.annotate import on_tree
from vbpi_mix.posterior.summaries import summarise_splits

EVERYONE = frozenset(range(6))


def drawn():
    generator = np.random.default_rng(1)
    n = 200
    return PosteriorDraws(
        taxa=tuple(f"t{i}" for i in range(6)),
        topologies=SIX[generator.integers(12, size=n)],
        branch_lengths=generator.gamma(2.0, 0.05, (n, 9)),
        log_weights=generator.normal(0, 0.5, n),
        components=np.zeros(n, dtype=np.int64),
        parameters=np.zeros((n, 0)),
        parameter_names=(),
    )


def below(children, n):
    taxa = {i: frozenset([i]) for i in range(n)}
    for i, (a, b) in enumerate(children.tolist()):
        taxa[n + i] = taxa[a] | taxa[b]
    return taxa


@pytest.mark.parametrize("clades", [[{1, 2}, {4, 5}], [{0, 1}, {3, 4, 5}, {4, 5}], [{0, 3, 4, 5}, {1, 2}], []])
def test_each_inner_edge_has_the_frequency_and_mean_length_of_its_split(clades):
    """A clade and its complement are one split, whichever the tree names; one of one taxon is no split."""
    draws = drawn()
    tree = on_tree(summarise_splits(draws), [frozenset(c) for c in clades] + [EVERYONE, frozenset([3])])
    splits = {min(frozenset(c), EVERYONE - frozenset(c), key=sorted) for c in clades}
    inner = [node for node in range(6, len(tree.parents)) if tree.parents[node] >= 0]
    assert len(inner) == len(splits)
    members = {i: {i} for i in range(6)}
    for node in range(len(tree.parents)):  # children before parents
        members.setdefault(node, set())
        if node and tree.parents[node] >= 0:
            members.setdefault(int(tree.parents[node]), set()).update(members[node])
    weights, lengths_of = draws.weights(), {}
    for row, lengths, weight in zip(draws.topologies.children, draws.branch_lengths, weights, strict=True):
        for node, taxa in below(row, 6).items():
            if node < 9:
                key = min(taxa, EVERYONE - taxa, key=sorted)
                lengths_of.setdefault(key, []).append((weight, lengths[node]))
    found = {min(frozenset(members[n]), EVERYONE - members[n], key=sorted): n for n in inner}
    assert set(found) == splits
    for split, node in found.items():
        seen = lengths_of.get(split, [])
        assert tree.supports[node] == pytest.approx(sum(w for w, _ in seen))
        mean = np.average([x for _, x in seen], weights=[w for w, _ in seen]) if seen else 0.0
        assert tree.lengths[node] == pytest.approx(mean)
