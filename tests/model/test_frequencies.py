"""Frequencies counted from alignments, by hand and against IQ-TREE."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.model import empirical_frequencies
from vbpi_mix.phylo import SitePatterns
from vbpi_mix.phylo.alignment import IUPAC


def patterns(*rows, weights=None):
    sets = np.array([[IUPAC[c] for c in row] for row in rows], dtype=np.uint8)
    weights = np.ones(sets.shape[1]) if weights is None else np.array(weights, dtype=np.float64)
    return SitePatterns(state_sets=sets, weights=weights)


def test_plain_states_are_counted():
    ours = empirical_frequencies(patterns("ACGT", "AACG", weights=[3, 1, 2, 1]))
    np.testing.assert_allclose(ours, np.array([7, 3, 3, 1]) / 14, rtol=1e-14)


def test_codes_are_shared_out():
    """6 A, 3 G, 1 C, 1 T and 4 R: A has two thirds of A and G, so of R in the end; eight passes come that near."""
    ours = empirical_frequencies(patterns("AAAAAAGGGCTRRRR"))
    share = 0.5
    for _ in range(8):
        share = (6 + 4 * share) / (9 + 4)
    np.testing.assert_allclose(ours, np.array([13 * share, 1, 13 * (1 - share), 1]) / 15, rtol=1e-13)
    np.testing.assert_allclose(ours, np.array([13 * 2 / 3, 1, 13 / 3, 1]) / 15, atol=2e-5)


def test_missing_data_hold_the_count_back():
    """Eight passes from equal frequencies, half of the characters missing: 1/256 of the start is left."""
    ours = empirical_frequencies(patterns("AAAAACGT--------"))
    expected = np.array([5, 1, 1, 1]) / 8
    np.testing.assert_allclose(ours, expected + (0.25 - expected) / 256, rtol=1e-13)


def test_the_figures_of_iqtree():
    """pi as IQ-TREE 2.0.7 reports it for F81+F of an alignment with every code and many gaps."""
    rows = ["ACGTRYSWKMBDHVN-ACGTAAAACC", "ACGTACGTACGTACGTACGAAARACC", "ACTTACGTACCTACGTACGAAATACCG"]
    rows += ["ACGAACGAACGTGCGTACGAAATACYGTT", "ACGAACCAACGTGCGTACGAAAT--?NNNNNNN"]
    ours = empirical_frequencies(patterns(*(row.ljust(36, "-") for row in rows)))
    np.testing.assert_allclose(ours, [0.3639, 0.2657, 0.1975, 0.1729], atol=5e-5)


def test_no_data_give_equal_frequencies():
    np.testing.assert_allclose(empirical_frequencies(patterns("--", "NN")), 0.25)
    np.testing.assert_allclose(empirical_frequencies(patterns("", "")), 0.25)


def test_an_absent_state():
    with pytest.raises(InputError, match=r"no G: .*\+FQ"):
        empirical_frequencies(patterns("ACTY", "ACTT"))
