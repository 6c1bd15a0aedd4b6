"""Kinds of data: recognised, said by the file, by its partitions, or by the user."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.alignments import read_alignment, write_fasta
from vbpi_mix.io.notices import InputWarning
from vbpi_mix.phylo import DNA, PROTEIN, standard

PROTEINS = ["MKVLAAGIVGBLLAQWERTY", "MKVLZAGIV-BLLAQWERTJ", "MKVLX*GIVGBLUAQWERTO", "MKVLAAGIVGBLLAQWER??"]


def write(tmp_path, rows, name="x.fasta"):
    path = tmp_path / name
    if name.endswith(".phy"):
        path.write_text(f"{len(rows)} {len(rows[0])}\n" + "".join(f"t{i}  {row}\n" for i, row in enumerate(rows)))
    elif name.endswith(".nex"):
        return path
    else:
        path.write_text("".join(f">t{i}\n{row}\n" for i, row in enumerate(rows)))
    return path


@pytest.mark.parametrize("name", ["x.fasta", "x.phy"])
def test_proteins_are_recognised(tmp_path, name):
    alignment = read_alignment(write(tmp_path, PROTEINS, name))
    assert alignment.data_type == PROTEIN
    assert alignment.state_sets[1, 4] == PROTEIN.codes["Q"] | PROTEIN.codes["E"]
    assert alignment.state_sets[2, 4] == alignment.state_sets[2, 5] == alignment.state_sets[2, 12] == PROTEIN.missing


def test_nucleotides_with_many_ambiguity_codes_are_nucleotides(tmp_path):
    path = write(tmp_path, ["MRWSYKVHDBNAC", "MRWSYKVHDBNAC", "ACGTACGTACGTA", "NNNNNNACGTRYK"])
    assert read_alignment(path).data_type == DNA
    assert read_alignment(path, "protein").data_type == PROTEIN  # W, S, Y, K, V, H, D and B are amino acids, too


def test_one_foreign_letter_does_not_make_a_protein(tmp_path):
    with pytest.raises(InputError, match=r"'t1' has 'L' at column 3, .*nucleotide"):
        read_alignment(write(tmp_path, ["ACGTACGT", "ACLTACGT", "ACGTACGT", "ACGTACGT"]))


def test_digits_are_discrete_characters(tmp_path):
    for name in ("x.fasta", "x.phy"):
        alignment = read_alignment(write(tmp_path, ["0120", "0?11", "1-00", "1100"], name))
        assert alignment.data_type == standard(3)
    with pytest.raises(InputError, match="'!' at column 2"):
        read_alignment(write(tmp_path, ["0!20", "0?11", "1-00", "1100"]), "standard")


def nexus(tmp_path, format_, rows):
    path = tmp_path / "x.nex"
    matrix = "\n".join(f"t{i} {row}" for i, row in enumerate(rows))
    n = 8 if "mixed" in format_ else 4
    path.write_text(
        f"#NEXUS\nbegin data;\ndimensions ntax=4 nchar={n};\nformat {format_};\nmatrix\n{matrix}\n;\nend;\n"
    )
    return path


def test_sets_of_discrete_states(tmp_path):
    path = nexus(tmp_path, 'datatype=standard symbols="012" gap=-', ["01{01}2", "(0,2)1?0", "00-0", "1100"])
    alignment = read_alignment(path)
    assert alignment.state_sets.tolist() == [[1, 2, 3, 4], [5, 2, 7, 1], [1, 1, 7, 1], [2, 2, 1, 1]]


def test_mixed_data_have_sections(tmp_path):
    rows = ["01ACGTWK", "1{01}ACGTWK", "00{AG}CNTLX", "11AC-TW?"]
    path = nexus(tmp_path, "datatype=mixed(Standard:1-2,DNA:3-6,Protein:7-8) gap=- missing=?", rows)
    alignment = read_alignment(path)
    assert [(section.data_type, section.sites.tolist()) for section in alignment.sections] == [
        (standard(2), [0, 1]), (DNA, [2, 3, 4, 5]), (PROTEIN, [6, 7])
    ]  # fmt: skip
    assert alignment.state_sets[2, 2] == 5
    assert alignment.taxa_without_data(np.array([4])) == ["t2", "t3"]


def test_partitions_say_what_the_sites_are(tmp_path):
    path = write(tmp_path, ["01ACGTWK", "11ACGTWK", "00ACGTLX", "11ACGTW?"])
    (tmp_path / "parts.txt").write_text("BIN, m = 1-2\nDNA, d = 3-6\nLG+G, p = 7-8\n")
    alignment = read_alignment(path, partitions=tmp_path / "parts.txt")
    assert [section.data_type.name for section in alignment.sections] == ["standard", "dna", "protein"]


def test_what_the_user_says_decides_and_is_said(tmp_path):
    path = nexus(tmp_path, "datatype=dna", ["ACGT", "ACGT", "ACGA", "ACGA"])
    with pytest.warns(InputWarning, match="data are dna; read as protein"):
        assert read_alignment(path, "protein").data_type == PROTEIN


def test_fasta_round_trip_of_proteins(tmp_path):
    alignment = read_alignment(write(tmp_path, PROTEINS))
    write_fasta(alignment, tmp_path / "again.fasta")
    assert np.array_equal(read_alignment(tmp_path / "again.fasta").state_sets, alignment.state_sets)
