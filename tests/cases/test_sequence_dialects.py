"""FASTA and PHYLIP files with comments, weights and several data sets."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError, InputWarning
from vbpi_mix.io.alignments import read_alignment

ROWS = {"Wolf": "ACGTAC", "B": "ACGTTC", "C": "ACTTAC", "D": "GCTTAC"}
PLAIN = "".join(f">{name}\n{row}\n" for name, row in ROWS.items())


@pytest.fixture
def states(tmp_path):
    def read(text):
        (tmp_path / "x").write_text(text)
        return read_alignment(tmp_path / "x").state_sets

    return read


@pytest.mark.parametrize(
    "text", [";by hand\n; twice\n" + PLAIN, PLAIN.replace("B\n", "B\n; of B > A\n"), PLAIN + ";\n"]
)
def test_lines_that_begin_with_a_semicolon_are_comments_of_fasta(states, text):
    np.testing.assert_array_equal(states(text), states(PLAIN))


def test_pir_is_named(states):
    with pytest.raises(InputError, match=r"'DL;Wolf' .*NBRF/PIR"):
        states("".join(f">DL;{name}\nTATATA\n{row}*\n" for name, row in ROWS.items()))


def test_weights_of_phylip_are_named(states):
    rows = "".join(f"{name:10s}{row}\n" for name, row in ROWS.items())
    for weights in ("WEIGHTS   001110\n", "W         00 1110\n", ""):
        with pytest.warns(InputWarning, match=r"option W \(weights of sites\)"):
            np.testing.assert_array_equal(states(f"4 6 W\n{weights}{rows}"), states(PLAIN))


def test_several_data_sets_are_named(states):
    one = " 4 6\n" + "".join(f"{name:10s}{row}\n" for name, row in ROWS.items())
    with pytest.raises(InputError, match="header '4 6' after 4 lines"):
        states(one * 3)
