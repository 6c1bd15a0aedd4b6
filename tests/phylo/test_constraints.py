"""Constraints on topologies, against the edges of all topologies of six taxa."""

import numpy as np
import pytest

from tests.phylo.test_constraint_counts import clade, constraint, names
from vbpi_mix.errors import InputError
from vbpi_mix.phylo import all_topologies
from vbpi_mix.phylo.constraints import Constraints, clade_constraint, displayed, topology_constraint

N = 6
SIX = all_topologies(N)


def splits(children):
    """Both sides of every edge of a topology, from its table of children."""
    below = {i: frozenset([i]) for i in range(N)}
    for i, (a, b) in enumerate(children.tolist()):
        below[N + i] = below[a] | below[b]
    everyone = frozenset(range(N))
    return {side for taxa in below.values() for side in (taxa, everyone - taxa)}


SPLITS = [splits(topology.children) for topology in SIX]


def test_a_split_is_displayed_where_an_edge_parts_its_sides():
    generator = np.random.default_rng(1)
    sides = generator.integers(3, size=(60, N))  # in A, in B, in neither
    found = displayed(SIX, sides == 0, sides == 1)
    for x, row in enumerate(sides):
        a, b = set(np.flatnonzero(row == 0)), set(np.flatnonzero(row == 1))
        expected = [any(a <= side and not b & side for side in edges) for edges in SPLITS]
        assert found[:, x].tolist() == expected
    assert displayed(SIX, sides[:0] == 0, sides[:0] == 1).shape == (105, 0)


def test_a_clade_of_two_taxa_has_its_share_of_all_topologies():
    assert clade_constraint(names(N), [1, 4]).satisfied(SIX).sum() == 105 / 7  # (2N - 7)!! of (2N - 5)!!
    assert clade_constraint(names(N), [1, 4], [0, 2]).satisfied(SIX).sum() == 105 / 3  # one of three quartets


def test_the_negation_is_the_complement_and_its_negation_the_constraint():
    one = constraint(N, clade(N, 1, 2), clade(N, 4, 5))
    np.testing.assert_array_equal(one.negated().satisfied(SIX), ~one.satisfied(SIX))
    np.testing.assert_array_equal(one.negated().negated().satisfied(SIX), one.satisfied(SIX))
    named = clade_constraint(names(N), [1, 2], name="primates")
    assert (named.negated().name, named.negated().negated().name) == ("not primates", "primates")


def test_a_topology_satisfies_its_own_constraint_alone():
    for i in (0, 17, 104):
        assert np.flatnonzero(topology_constraint(names(N), SIX[[i]]).satisfied(SIX)).tolist() == [i]


def test_all_of_several_must_hold():
    parts = [constraint(N, clade(N, 1, 2)), constraint(N, clade(N, 1, 2, 3), negative=True)]
    both = Constraints(taxa=names(N)).also(*parts)
    np.testing.assert_array_equal(both.allows(SIX), parts[0].satisfied(SIX) & parts[1].satisfied(SIX))
    assert not Constraints(taxa=names(N))
    assert Constraints(taxa=names(N)).allows(SIX).all()


@pytest.mark.parametrize(
    "each",
    [
        [constraint(N, clade(N, 1, 2), clade(N, 4, 5))],
        [constraint(N, clade(N, 1, 2), negative=True)],
        [constraint(N, clade(N, 1, 2)), constraint(N, clade(N, 1, 2, 3), negative=True)],
    ],
)
def test_trees_whose_splits_all_occur_in_allowed_trees_are_allowed(each):
    constraints = Constraints(taxa=names(N), each=tuple(each))
    assert constraints.by_splits
    allowed = constraints.allows(SIX)
    np.testing.assert_array_equal(composed(allowed), allowed)


def test_constraints_of_which_that_is_not_known():
    together = Constraints(taxa=names(N), each=(constraint(N, clade(N, 1, 2), clade(N, 4, 5), negative=True),))
    allowed = together.allows(SIX)
    assert not together.by_splits
    assert composed(allowed).all()  # each split alone is allowed
    assert not allowed.all()
    assert not Constraints(taxa=names(N), each=(constraint(N, ((0, 1), (2, 3))),)).by_splits


def composed(allowed):
    """Which topologies consist of splits that occur in allowed ones."""
    known = set().union(*(edges for edges, good in zip(SPLITS, allowed, strict=True) if good))
    return np.array([edges <= known for edges in SPLITS])


def test_mistakes_are_named():
    with pytest.raises(InputError, match="both sides"):
        clade_constraint(names(N), [1, 2], [2, 3])
    with pytest.raises(InputError, match="same taxa"):
        Constraints(taxa=names(N), each=(constraint(5, clade(5, 1, 2)),))
