import gzip

import numpy as np
import pytest
from Bio import SeqIO
from hypothesis import given, settings
from hypothesis import strategies as st

from vbpi_mix.errors import InputError
from vbpi_mix.io.alignments import read_alignment, write_fasta
from vbpi_mix.phylo import Alignment, site_patterns

FASTA = ">a\nACGT\nUacg\n>b c  d\nRYSWKMBD\n\n> it's \nHVN?-Xox\n>[d]\nAAAAAAAA\n"
SETS = [
    [1, 2, 4, 8, 8, 1, 2, 4],
    [5, 10, 6, 9, 12, 3, 14, 13],
    [11, 7, 15, 15, 15, 15, 15, 15],
    [1] * 8,
]


def write(path, text):
    path.write_text(text)
    return path


def fasta(*rows):
    return "".join(f">t{i}\n{row}\n" for i, row in enumerate(rows))


@pytest.mark.parametrize("packed", [False, True])
def test_all_codes_in_either_case(tmp_path, packed):
    path = tmp_path / "a.phy"  # the name says nothing
    path.write_bytes(gzip.compress(FASTA.encode()) if packed else FASTA.encode())
    alignment = read_alignment(path)
    assert alignment.taxa == ("a", "b c  d", "it's", "[d]")
    np.testing.assert_array_equal(alignment.state_sets, SETS)
    assert alignment.state_sets.dtype == np.uint8
    assert alignment.source == str(path)
    counts = dict.fromkeys("RYSWKMBDHVN?-OT", 1) | {"A": 10, "C": 2, "G": 2, "U": 1, "X": 2}
    assert dict(alignment.symbol_counts) == counts


def test_the_formats_agree(tmp_path):
    rows = ["ACGTRN-?", "acgtaaaa", "CCGT-NNN", "ACGTACGT"]
    one = read_alignment(write(tmp_path / "fasta", fasta(*rows)))
    body = "\n".join(f"t{i} {row}" for i, row in enumerate(rows))
    two = read_alignment(write(tmp_path / "phylip", f"4 8\n{body}\n"))
    head = "#NEXUS\nbegin data;dimensions ntax=4 nchar=8;format datatype=dna gap=- missing=?;matrix\n"
    three = read_alignment(write(tmp_path / "nexus", f"{head}{body}\n;end;"))
    for other in (two, three):
        assert other.taxa == one.taxa
        np.testing.assert_array_equal(other.state_sets, one.state_sets)
        assert other.symbol_counts == one.symbol_counts


def test_match_characters_and_declared_signs(tmp_path):
    head = "#NEXUS\nbegin data;dimensions ntax=4 nchar=5;format datatype=dna gap=~ missing=x matchchar=.;matrix\n"
    nexus = read_alignment(write(tmp_path / "n", f"{head}a ACGRx\nb ....T\nc ~.x..\nd TTTTT;end;"))
    np.testing.assert_array_equal(
        nexus.state_sets, [[1, 2, 4, 5, 15], [1, 2, 4, 5, 8], [15, 2, 15, 5, 15], [8, 8, 8, 8, 8]]
    )
    assert nexus.symbol_counts["."] == 7
    phylip = read_alignment(write(tmp_path / "p", "4 4\na ACGT\nb ...A\nc A..-\nd ....\n"))
    np.testing.assert_array_equal(phylip.state_sets, [[1, 2, 4, 8], [1, 2, 4, 1], [1, 2, 4, 15], [1, 2, 4, 8]])


def test_equal_sequences_are_kept(tmp_path):
    alignment = read_alignment(write(tmp_path / "a", fasta("ACGT", "AC-T", "ACNT", "acgu")))
    assert alignment.duplicates() == [("t1", "t2"), ("t0", "t3")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (fasta("ACGT", "ACGT", "ACG", "ACGT"), r"'t2' has 3 sites, .*'t0' has 4: .*column 4"),
        (fasta("ACGT", "ACGT", "ACGT"), "3 taxa; at least 4"),
        (fasta("", "", "", ""), "no sites"),
        (fasta("ACGT", "ACJT", "ACGT", "ACGT"), "'t1' has 'J' at column 3, .*nucleotide"),
        (fasta("ACGT", "AC5T", "ACGT", "ACGT"), "'t1' has '5' at column 3"),
        (fasta("ACGT", "ACßT", "ACGT", "ACGT"), "'t1' has 'ß' at column 3"),
        (fasta("MKVL", "MKI5", "MRVE", "MKFP"), "'t1' has '5' at column 4, .*amino acid"),
        (fasta("ACGT", "AC.T", "ACGT", "ACGT"), r"'t1' has '\.' at column 3"),
        ("4 4\na AC.T\nb ACGT\nc ACGT\nd ACGT\n", r"'a' has the match character '\.' at column 3"),
        (">a\nA\n>b\nA\n>a\nA\n>c\nA\n", "two rows are named 'a'"),
        (">a\nA\n>b\nA\n> \nA\n>c\nA\n", "row 3 has no name"),
        ("CLUSTAL W\n", "alignment format: .*'CLUSTAL W'"),
        ("", "is empty"),
    ],
)
def test_errors_name_file_taxon_and_column(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_alignment(write(tmp_path / "a", text))
    assert str(tmp_path / "a") in str(caught.value)


def test_written_fasta_is_read_again(tmp_path):
    generator = np.random.default_rng(0)
    sets = generator.integers(1, 16, size=(5, 130)).astype(np.uint8)
    alignment = Alignment(taxa=("a b", "it's", "Å", "x_y", "q"), state_sets=sets)
    write_fasta(alignment, tmp_path / "a")
    again = read_alignment(tmp_path / "a")
    assert again.taxa == alignment.taxa
    np.testing.assert_array_equal(again.state_sets, sets)
    assert max(len(line) for line in (tmp_path / "a").read_text().splitlines()) == 60
    assert [record.description for record in SeqIO.parse(tmp_path / "a", "fasta")] == list(alignment.taxa)


@settings(max_examples=50, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(blacklist_categories=["Cs", "Cc", "Cf", "Z"]) | st.just(" "), min_size=1)
        .map(str.strip)
        .filter(bool),
        min_size=4,
        max_size=6,
        unique=True,
    )
)
def test_any_names_come_back_from_fasta(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("a") / "a"
    write_fasta(Alignment(taxa=tuple(names), state_sets=np.ones((len(names), 3), np.uint8)), path)
    assert read_alignment(path).taxa == tuple(names)


def test_the_examples(repository):
    examples = repository / "data" / "examples"
    nexus, fasta_ = read_alignment(examples / "primates.nex"), read_alignment(examples / "primates.fasta")
    assert nexus.taxa == fasta_.taxa
    np.testing.assert_array_equal(nexus.state_sets, fasta_.state_sets)
    assert nexus.taxa[0] == "Tarsius_syrichta"
    for name, shape, patterns in [
        ("primates.nex", (12, 898), 413),
        ("woodmouse.fasta", (15, 965), 65),
        ("darwins_finches.fasta", (16, 1123), 71),
        ("iqtree_example.phy", (17, 1998), 1152),
    ]:
        alignment = read_alignment(examples / name)
        assert alignment.state_sets.shape == shape
        # these counts were made with every code but A, C, G, T as missing
        strict = np.where(np.isin(alignment.state_sets, [1, 2, 4, 8]), alignment.state_sets, 15).astype(np.uint8)
        folded = Alignment(taxa=alignment.taxa, state_sets=strict)
        assert site_patterns(folded).n_patterns == patterns


def test_iqtree_example_equals_its_fasta(repository, shared_data):
    ours = read_alignment(repository / "data" / "examples" / "iqtree_example.phy")
    theirs = read_alignment(shared_data / "phylo" / "examples" / "iqtree_example.fasta")
    assert ours.taxa == theirs.taxa
    np.testing.assert_array_equal(ours.state_sets, theirs.state_sets)
