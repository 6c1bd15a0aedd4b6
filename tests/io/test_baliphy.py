"""The first rows of a sample by BAli-Phy 3.6.1 (Debian 12): `bali-phy primates.fasta -I none -S hky85 --iter=60`."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from vbpi_mix.errors import InputWarning
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.tree_lengths import read_trees_with_lengths

FILES = Path(__file__).parent / "files" / "baliphy"


def test_tree_lengths_are_those_that_the_program_computed_itself():
    """Its log has the length of each tree in substitutions per site, in the column `Scale[1]*|T|`."""
    heading, *rows = (line.split("\t") for line in (FILES / "C1.log").read_text().splitlines())
    wanted = [float(row[heading.index("Scale[1]*|T|")]) for row in rows]
    trees = read_trees_with_lengths([FILES / "C1.trees"], read_alignment("primates").taxa)
    np.testing.assert_allclose(trees.branch_lengths.sum(axis=1), wanted, rtol=1e-5)  # six decimals in the trees


def test_trees_without_their_log_are_told(tmp_path):
    shutil.copy(FILES / "C1.trees", tmp_path)
    with pytest.warns(InputWarning, match="units of a scale"):
        trees = read_trees_with_lengths([tmp_path / "C1.trees"], read_alignment("primates").taxa)
    lengths = trees.branch_lengths.sum(axis=1)
    assert lengths[0] == pytest.approx(0.667338, abs=1e-5)  # the column `|T|`
