"""NEXUS files with several matrices, exclusions of all spellings, EQUATE, and names that NEXUS takes for one."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError, InputWarning
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.partitions import read_partitions

ROWS = {"A": "ACGTACGTRR", "B": "ACGTACGTAG", "C": "ACGAACGTGA", "D": "TCGAACGTCC", "E": "TCGAACGTTT"}
MATRIX = " ".join(f"{name} {row}" for name, row in ROWS.items())
TWO_MATRICES = f"""#NEXUS
begin taxa; title Taxa; dimensions ntax=5; taxlabels A B C D E; end;
begin characters;
    title Morph; link taxa = Taxa; dimensions nchar=4;
    format datatype=standard symbols="01"; eliminate 2;
    matrix A 0011 B 0101 C 1?00 D 1100 E 0000;
end;
begin characters;
    title 'The DNA'; link taxa = Taxa; dimensions nchar=10; format datatype=dna gap=-;
    matrix {MATRIX};
end;
begin assumptions; link characters = Morph; exset * untitled = 1; end;
begin assumptions;
    exset * other (characters = Morph) = 3-4;
    exset * untitled (characters = 'The DNA') = 10;
end;
begin sets;
    link characters = Morph; charset one = 1-2; charpartition * halves = a: one, b: 3-4;
end;
begin sets;
    link characters = 'the dna'; charset one = 1-5; charset two = 6-.; charpartition * halves = a: one, b: two;
end;
"""


def data(commands="", *, format_="datatype=dna", matrix=MATRIX, before=""):
    return (
        f"#NEXUS\n{before}\nbegin data;\ndimensions ntax=5 nchar=10;\nformat {format_};\nmatrix {matrix};\nend;\n"
        f"begin paup;\n{commands}\nend;\n"
    )


@pytest.fixture
def write(tmp_path):
    def file(text):
        (tmp_path / "x.nex").write_text(text)
        return tmp_path / "x.nex"

    return file


def test_exclusions_and_sets_of_another_matrix_are_not_those_of_this_one(write):
    path = write(TWO_MATRICES)
    with pytest.warns(InputWarning, match="1 of 10 sites left out"):
        alignment = read_alignment(path)
    assert alignment.excluded is not None
    assert np.flatnonzero(alignment.excluded).tolist() == [9]
    parts = read_partitions(path, 10, excluded=alignment.excluded)
    assert [(part.name, part.sites.tolist()) for part in parts] == [("a", [0, 1, 2, 3, 4]), ("b", [5, 6, 7, 8])]


@pytest.mark.parametrize(
    ("commands", "excluded", "taxa"),
    [
        ("exset * untitled = ;", [], "ABCDE"),
        ("exset * untitled (characters = x) = ;", [], "ABCDE"),
        ("include 1-4 / only;", [4, 5, 6, 7, 8, 9], "ABCDE"),
        ("exclude 1-4; exclude 9-./only;", [8, 9], "ABCDE"),
        ("delete A; delete B / only;", [], "ACDE"),
        ("delete A B; restore B-C D E / ONLY;", [], "BCDE"),
    ],
)
def test_exclusions(write, commands, excluded, taxa):
    path = write(data(commands.replace("B-C", "2-3")))
    if excluded or taxa != "ABCDE":
        with pytest.warns(InputWarning, match="left out"):
            alignment = read_alignment(path)
    else:
        alignment = read_alignment(path)
    assert np.flatnonzero(alignment.excluded if alignment.excluded is not None else []).tolist() == excluded
    assert "".join(alignment.taxa) == taxa


def test_a_deleted_taxon_may_be_spelled_in_another_way_than_its_row(write):
    taxa = "begin taxa; dimensions ntax=5; taxlabels a_b B C D E; end;"
    with pytest.warns(InputWarning, match="taxon 'a_b' left out"):
        alignment = read_alignment(write(data("delete a_b;", before=taxa, matrix=MATRIX.replace("A A", "'A b' A", 1))))
    assert alignment.taxa == ("B", "C", "D", "E")


def test_a_label_without_a_row_is_named(write):
    taxa = "begin taxa; dimensions ntax=5; taxlabels Z B C D E; end;"
    with pytest.warns(InputWarning, match="TAXLABELS has 'Z'"):
        read_alignment(write(data(before=taxa)))


def test_equate(write):
    """Signs of EQUATE stand for signs or sets; their case matters."""
    plain = read_alignment(write(data(matrix=MATRIX.replace("TT", "tY"))))
    alignment = read_alignment(
        write(data(format_='datatype=dna equate="x={AG} 1 = C z=(CT)"', matrix=MATRIX.replace("RR", "xx")
                   .replace("CC", "11").replace("TT", "tz")))
    )  # fmt: skip
    np.testing.assert_array_equal(alignment.state_sets, plain.state_sets)
    upper = read_alignment(write(data(format_='datatype=dna equate="x={AG}"', matrix=MATRIX.replace("RR", "XX"))))
    assert upper.state_sets[0, 8] == 15
    with pytest.raises(InputError, match=r"EQUATE is 'x=\{AG'"):
        read_alignment(write(data(format_='datatype=dna equate="x={AG"')))


def test_an_interleaved_matrix_with_names_in_one_block_only(write):
    rows = "\n".join(f"{name} {row[:5]}" for name, row in ROWS.items())
    rows += "\n\n" + "\n".join(row[5:] for row in ROWS.values()) + "\n"
    with pytest.raises(InputError, match=r"INTERLEAVE"):
        read_alignment(write(data(format_="datatype=dna interleave", matrix="\n" + rows)))


def test_settings_beside_the_chosen_partition(write, recwarn):
    sets = "charset a = 1-5; charset b = 6-.; partition p = 2: a, b; set partition = p autoclose=yes nowarnings=yes;"
    assert len(read_partitions(write(data(sets)), 10)) == 2
    assert not recwarn.list


@pytest.mark.parametrize(
    ("format_", "name", "states"),
    [
        ('format symbols="0 1 2" gap=-;', "standard", [1, 2, 4, 1]),
        ("format missing=?, gap=-;", "standard", [1, 2, 4, 1]),
        ("", "standard", [1, 2, 4, 1]),
        ('format symbols="ABC";', "standard", [1, 2, 4, 1]),
        ('format symbols="ACGT";', "dna", [1, 2, 4, 1]),
        ("", "dna", [1, 2, 4, 1]),
    ],
)
def test_without_a_data_type(write, recwarn, format_, name, states):
    """NEXUS's default are standard data, but DNA without a word is common."""
    symbols = "ABC" if "ABC" in format_ else "ACG" if name == "dna" else "012"
    rows = [first + symbols[1] + symbols[2] + symbols[0] for first in symbols[0] * 3 + symbols[1]]
    matrix = "\n".join(f"{taxon} {row}" for taxon, row in zip(["'sp 1'", "b", "c", "d"], rows, strict=True))
    alignment = read_alignment(
        write(f"#NEXUS\nbegin data;\ndimensions ntax=4 nchar=4;\n{format_}\nmatrix\n{matrix}\n;\nend;\n")
    )
    assert alignment.type_of().name == name
    assert alignment.state_sets[0].tolist() == states
    assert not recwarn.list
