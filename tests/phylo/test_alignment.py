from itertools import permutations, product

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.alignment import IUPAC, MISSING, STATES, Alignment, SitePatterns, merge_relabelled, site_patterns


def alignment(*rows):
    sets = np.array([[IUPAC[c] for c in row] for row in rows], dtype=np.uint8)
    return Alignment(taxa=tuple(f"t{i}" for i in range(len(rows))), state_sets=sets)


def test_codes_are_the_unions_their_names_say():
    # Nomenclature Committee of the IUB (1984)
    meanings = {
        "M": "AC", "R": "AG", "W": "AT", "S": "CG", "Y": "CT", "K": "GT",
        "V": "ACG", "H": "ACT", "D": "AGT", "B": "CGT", "N": "ACGT", "U": "T",
    }  # fmt: skip
    for code, states in meanings.items():
        assert IUPAC[code] == sum(1 << STATES.index(s) for s in states), code
    assert all(IUPAC[gap] == MISSING for gap in "-?NXO")


def test_patterns_rebuild_the_alignment():
    generator = np.random.default_rng(1)
    sets = generator.choice([1, 2, 4, 8, 15], (5, 300)).astype(np.uint8)
    patterns = site_patterns(Alignment(taxa=tuple("abcde"), state_sets=sets))
    assert patterns.n_sites == 300
    assert patterns.n_taxa == 5
    counted = {col.tobytes(): w for col, w in zip(patterns.state_sets.T.copy(), patterns.weights, strict=True)}
    assert len(counted) == patterns.n_patterns
    columns, counts = np.unique(sets, axis=1, return_counts=True)
    assert counted == {col.tobytes(): float(n) for col, n in zip(columns.T.copy(), counts, strict=True)}


def test_gap_and_any_state_are_one_symbol():
    assert site_patterns(alignment("A-", "CN", "G?")).n_patterns == 2
    assert site_patterns(alignment("AA", "-N", "?X")).n_patterns == 1


def relabellings(column):
    for order in permutations(range(4)):
        yield tuple(sum(((s >> i) & 1) << order[i] for i in range(4)) for s in column)


@pytest.mark.parametrize("n_taxa", [1, 2, 3])
def test_merging_against_brute_force_on_all_columns(n_taxa):
    """Every column of all 15 state sets; classes found by trying all 24 relabellings."""
    columns = list(product(range(1, 16), repeat=n_taxa))
    weights = np.arange(1.0, len(columns) + 1)
    sets = np.array(columns, dtype=np.uint8).T
    merged = merge_relabelled(SitePatterns(state_sets=sets, weights=weights))
    expected: dict[tuple[int, ...], float] = {}
    for column, weight in zip(columns, weights, strict=True):
        smallest = min(relabellings(column))
        expected[smallest] = expected.get(smallest, 0.0) + weight
    found = {tuple(int(x) for x in col): w for col, w in zip(merged.state_sets.T, merged.weights, strict=True)}
    assert found == expected


def test_merging_longer_columns_against_brute_force():
    """Mostly single states, each column once more under a random relabelling."""
    generator = np.random.default_rng(2)
    columns = [tuple(c) for c in generator.choice([1, 2, 4, 8, 8, 4, 2, 1, 5, 7, 15], (200, 9)).tolist()]
    columns += [list(relabellings(c))[generator.integers(24)] for c in columns]
    patterns = SitePatterns(state_sets=np.array(columns, dtype=np.uint8).T, weights=np.ones(400))
    merged = merge_relabelled(patterns)
    assert {tuple(c) for c in merged.state_sets.T.tolist()} == {min(relabellings(c)) for c in columns}
    assert merged.n_patterns <= 200
    assert merged.weights.sum() == 400


def test_duplicates_name_the_first_of_each():
    found = alignment("ACGT", "ACGA", "ACGT", "ACGA", "ACGT").duplicates()
    assert found == [("t0", "t2"), ("t1", "t3"), ("t0", "t4")]


def test_sizes():
    a = alignment("ACG", "AC-")
    assert (a.n_taxa, a.n_sites) == (2, 3)


def test_patterns_of_a_part_are_those_of_an_alignment_of_its_sites():
    generator = np.random.default_rng(3)
    sets = generator.integers(1, 16, (4, 40)).astype(np.uint8) % 3 + 1
    alignment = Alignment(taxa=tuple("abcd"), state_sets=sets)
    sites = np.flatnonzero(generator.random(40) < 0.4)
    part = site_patterns(alignment, sites)
    alone = site_patterns(Alignment(taxa=alignment.taxa, state_sets=sets[:, sites]))
    assert (part.state_sets == alone.state_sets).all()
    assert (part.weights == alone.weights).all()
    rest = site_patterns(alignment, np.setdiff1d(np.arange(40), sites))
    assert part.n_sites + rest.n_sites == 40
    assert site_patterns(alignment, np.array([5, 5])).weights.tolist() == [2.0]


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ([], "at least one column"),
        ([0.5], "whole numbers"),
        ([[1, 2]], "a list of"),
        ([3, 40], "column 41; .*40 sites"),
        ([-1], "no column 0"),
    ],
)
def test_sites_that_are_not_there(sites, message):
    alignment = Alignment(taxa=tuple("abcd"), state_sets=np.ones((4, 40), dtype=np.uint8))
    with pytest.raises(InputError, match=message):
        site_patterns(alignment, np.array(sites))
