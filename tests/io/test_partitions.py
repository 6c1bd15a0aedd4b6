"""Partitions of every notation, against MrBayes and Biopython where they read it."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from Bio.Nexus.Nexus import Nexus
from hypothesis import given, settings
from hypothesis import strategies as st

from vbpi_mix.errors import InputError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.partitions import read_partitions

DATA = (
    "#NEXUS\nbegin data;\ndimensions ntax=4 nchar=12;\nformat datatype=dna missing=? gap=-;\nmatrix\n"
    "a AAAAAAACCCCC\nb ACAAAAACCCCC\nc AAAAAAACGCCC\nd AACAAAACCCCC\n;\nend;\n"
)
CODONS = "charset one = 1-.\\3;\ncharset two = 2-.\\3;\ncharset three = 3-.\\3;\n"
HALVES = "charset a = 1-6;\ncharset b = 7-12;\n"


def sets(text, block="sets"):
    return f"#NEXUS\nbegin {block};\n{text}end;\n"


@pytest.fixture
def read(tmp_path):
    def read(text, n_sites=12):
        path = tmp_path / "parts.nex"
        path.write_text(text, encoding="utf-8")
        return [(p.name, (p.sites + 1).tolist(), p.model) for p in read_partitions(path, n_sites)]

    return read


FIRST, SECOND = list(range(1, 7)), list(range(7, 13))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (sets(HALVES), [("a", FIRST, None), ("b", SECOND, None)]),
        (sets(HALVES + "partition p = 2: a, b;"), [("a", FIRST, None), ("b", SECOND, None)]),
        (sets(HALVES + "charpartition p = 2: b, a;"), [("b", SECOND, None), ("a", FIRST, None)]),
        (sets(HALVES + "PARTITION p = 2 : A , 7-9 10-.;"), [("A", FIRST, None), ("part2", SECOND, None)]),
        (sets(HALVES + "charpartition * p = x:a, 'the rest': remainder;"), [
            ("x", FIRST, None), ("the rest", SECOND, None)]),
        (sets(HALVES + "charpartition p = 1:a, 2:b;"), [("1", FIRST, None), ("2", SECOND, None)]),
        (sets(HALVES + "charpartition p = 1: a b;"), [("part1", FIRST + SECOND, None)]),
        (sets(HALVES + "charpartition p = HKY+G:a, GTR+G :b;"), [("a", FIRST, "HKY+G"), ("b", SECOND, "GTR+G")]),
        (
            sets(HALVES + "charpartition p = GTR{1,2, 3,4,5}+F{0.1,0.2,0.3,0.4}: a{0.25},\nHKY: b{1.5};"),
            [("a", FIRST, "GTR{1,2,3,4,5}+F{0.1,0.2,0.3,0.4}"), ("b", SECOND, "HKY")],
        ),
        (sets(CODONS + "partition p = 2: one two, three;")[:-2], [
            ("part1", [1, 2, 4, 5, 7, 8, 10, 11], None), ("three", [3, 6, 9, 12], None)]),
        (sets("charset 'a b' = DNA, 1-6; charset c (CHARACTERS = m) = 7 - 12;"), [
            ("a b", FIRST, None), ("c", SECOND, None)]),
        (sets("charset a = 1-3;\ncharset ab = a 4-6;\ncharset c = 7-.;\ncharpartition p = x:ab, y:c;"), [
            ("x", FIRST, None), ("y", SECOND, None)]),
        (DATA + f"begin mrbayes;\nset autoclose=yes;\n{HALVES}partition p = 1: all;\npartition q = 2: a, b;\n"
            "set nowarn=yes partition = q;\nend;\n", [("a", FIRST, None), ("b", SECOND, None)]),
        (sets("charset [comment;] a = 1-6; partition p = 1: .-. 1-11;"), [("part1", FIRST + SECOND, None)]),
        ("DNA, a = 1-6\nDNA, b = 7-12\n", [("a", FIRST, None), ("b", SECOND, None)]),
        ("# codons\n\ndna,p1=1-12\\3, 2-12/3 # two\nGTR+G4, p 2 = 3-12\\3\n", [
            ("p1", [1, 2, 4, 5, 7, 8, 10, 11], None), ("p 2", [3, 6, 9, 12], "GTR+G4")]),
        ("HKY+F{0.1,0.2,0.3,0.4}, a = 1-6\n JC ,b = 7-.", [
            ("a", FIRST, "HKY+F{0.1,0.2,0.3,0.4}"), ("b", SECOND, "JC")]),
    ],
)  # fmt: skip
def test_notations(read, text, parts):
    assert read(text) == parts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DATA, "no charset and no partition"),
        (sets("charset a = 1-6;\ncharset b = 6-12;\n"), "line 4: site 6 .*'a' and 'b'; .*state"),
        (sets("charset a = 1-6;\n"), "line 3: sites 7, 8, 9 and 3 more .*no part"),
        (sets(HALVES + "partition p = 2: a, a b;\n"), "line 5: sites 1, 2, 3 and 3 more .*'a' and 'par"),
        (sets(HALVES + "partition p = 1: a;\n"), "line 5: sites 7, 8, 9 and 3 more .*no part"),
        (sets("charset a = 1-6;\ncharset b = 7-13;\n"), "line 4, charset 'b': site 13, .*12 sites"),
        (sets("charset a = ;\n"), "line 3, charset 'a': .*no site"),
        (sets("charset a = 6-1;\n"), "line 3, charset 'a': .*6-1"),
        (sets("charset a = 1-;\n"), "line 3, charset 'a': .*1-"),
        (sets("charset a 1-6;\n"), "line 3: malformed charset"),
        (sets("charset a = 1-6;\ncharset A = 7-12;\n"), "line 4, charset 'A': a second"),
        (sets("charset 12 = 1-6;\n"), "would be read as sites"),
        (sets("charset a = genes.fa: 1-6;\n"), "names an alignment file"),
        (sets("charset a = CODON, 1-6;\n"), "the data type is 'CODON'"),
        (sets(HALVES + "partition p = 2: a, c;\n"), "line 5, partition 'p', part 2: c .*known are a, b"),
        (sets("partition p = 2: a, b;\n" + HALVES + "partition p = 2: a, b;\n"), "a second partition 'p'"),
        (sets(HALVES + "partition p = 3: a, b;\n"), "3 parts, .* 2"),
        (sets(HALVES + "partition p = a, b;\n"), "part 1 has no name"),
        (sets(HALVES + "charpartition p = x: a, b;\n"), "part 2 has no name"),
        (sets(HALVES + "charpartition p = x: a, : b;\n"), "part 2 has no name"),
        (sets(HALVES + "charpartition p = x: a, x: b;\n"), "two parts are named 'x'"),
        (sets(HALVES + "charpartition p = x: a, y: ;\n"), "part 2: .*no site"),
        (sets(HALVES + "charpartition p = x: a b, y: remainder;\n"), "part 2: .*no site"),
        (sets(HALVES + "partition p = 2: a, b;\npartition q = 1: all;\n"), r"2 partitions \(lines 5, 6\)"),
        (sets(HALVES + "partition p = 2: a, b;\nset partition=q;\n", "mrbayes"), "line 6: .*partition 'q'"),
        (sets(HALVES)[:-7], "line 4: .*CHARSET .*semicolon"),
        ("DNA, a = 1-6\nDNA, b = 6-12\n", "line 2: site 6 .*'a' and 'b'"),
        ("DNA, a = 1-6\n", "line 1: sites 7, 8, 9 and 3 more .*no part"),
        ("DNA, a = 1-6\nDNA, a = 7-12\n", "line 2: two parts .*'a'"),
        ("DNA, a = 1-6\nDNA b = 7-12\n", "line 2: neither NEXUS .*part"),
        ("DNA, = 1-6\n", "line 1: neither NEXUS"),
        (">a\nACGT\n", "line 1: neither NEXUS"),
        ("# nothing\n", "no part in it"),
        ("NT2AA, a = 1-12\n", "the data type is 'NT2AA'"),
        ("DNA, a = 1-6 b\n", "line 1, part 'a': b .*charset"),
        ("DNA, a = 1-7\\\n", "line 1, part 'a': malformed range"),
    ],
)  # fmt: skip
def test_errors(read, tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert str(caught.value).startswith(str(tmp_path / "parts.nex"))
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_partitions(tmp_path / "none", 12)


_PIECES = st.sampled_from(
    [
        "charset ", "charpartition ", "partition ", "set partition=", "a", "b", "'a b'", " = ", "1-6", "7-12", "7-.",
        "\\3", "1", "2", ":", ",", ";", "\n", " ", "*", "{0.5}", "HKY+G", "remainder", "all", "[", "]", "'", "-", ".",
        "0", "end;", "begin sets;", "DNA, ", "#", "=", "(", ")", "é", "999999999999999999999",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "parts"


@settings(max_examples=400, deadline=None)
@given(pieces=st.lists(_PIECES, max_size=25), nexus=st.booleans())
def test_any_text_is_a_partition_or_one_line_of_error(pieces, nexus, path):
    body = "".join(pieces)
    path.write_text(sets(body) if nexus else body, encoding="utf-8")
    assert_parts_or_one_line(path)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_files_too(data, path):
    whole = sets(CODONS + "charpartition p = GTR{1,2,3,4,5}+G: one two, HKY: three;\n")
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(start + 6, len(whole))))
    path.write_text(
        whole[:start] + data.draw(st.text(alphabet="-.:;,=\\{}[]'* 019aé", max_size=3)) + whole[end:], encoding="utf-8"
    )
    assert_parts_or_one_line(path)


def assert_parts_or_one_line(path):
    try:
        parts = read_partitions(path, 12)
    except InputError as error:
        message = str(error)
        assert "\n" not in message
        return
    assert sorted(np.concatenate([p.sites for p in parts]).tolist()) == list(range(12))
    assert all((np.diff(p.sites) > 0).all() and len(p.sites) and p.sites.dtype == np.int64 for p in parts)


def test_random_divisions_are_read_back(read):
    generator = np.random.default_rng(1)
    for _ in range(30):
        n = int(generator.integers(1, 40))
        owner = generator.integers(0, 4, n)
        wanted = [(f"p{i}", (np.flatnonzero(owner == i) + 1).tolist(), None) for i in np.unique(owner)]
        assert read("".join(f"DNA, {name} = {', '.join(map(str, s))}\n" for name, s, _ in wanted), n) == wanted
        assert read(sets("".join(f"charset {name} = {' '.join(map(str, s))};" for name, s, _ in wanted)), n) == wanted


def test_biopython_reads_the_same(read):
    charsets = "charset a = 1-4\\3 8;\ncharset b = 2-3 5-7;\ncharset c = 9-12;\n"
    text = DATA + sets(charsets + "charpartition p = x:a, y:b, z:c;\n")[6:]
    oracle = Nexus(io.StringIO(text)).charpartitions["p"]
    assert {name: [i - 1 for i in sites] for name, sites, _ in read(text)} == oracle


@pytest.mark.external("mb")
def test_mrbayes_divides_the_same(read, tmp_path):
    block = CODONS + "charset both = one two;\npartition p = 2: both, three;\nset partition = p;\n"
    text = DATA + sets("set autoclose=yes nowarn=yes;\n" + block + "charstat;\n", "mrbayes")[6:]
    parts = read(text)
    run = subprocess.run(["mb", "parts.nex"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    rows = [line.split() for line in run.stdout.splitlines()]
    found = {int(row[0]): int(row[-1]) for row in rows if len(row) > 3 and row[0].isdecimal() and row[-1].isdecimal()}
    assert found == {site: i for i, (_, sites, _) in enumerate(parts, start=1) for site in sites}


def test_the_parts_of_the_primates_are_codon_positions():
    """In the frame of the file no sequence has a stop codon of the mitochondrial code; in others all have."""
    examples = Path(__file__).resolve().parents[2] / "data" / "examples"
    alignment = read_alignment(examples / "primates.nex")
    parts = {p.name: p.sites for p in read_partitions(examples / "primates_parts.nex", alignment.n_sites)}
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(898))
    letters = np.full(16, "N")
    letters[[1, 2, 4, 8]] = list("ACGT")
    rows = letters[alignment.state_sets]

    def stops(shift):
        first, second, third = (parts[f"pos{i}"] + shift for i in (1, 2, 3))
        inside = third < 897
        codons = np.char.add(np.char.add(rows[:, first[inside]], rows[:, second[inside]]), rows[:, third[inside]])
        return np.isin(codons, ["TAA", "TAG", "AGA", "AGG"]).sum(axis=1)

    assert stops(0).max() == 0
    assert min(stops(1).min(), stops(2).min()) >= 3


def test_a_number_of_parts_and_a_comma_behind_the_last(tmp_path):
    path = tmp_path / "x.nex"
    path.write_text("#NEXUS\nbegin sets;\ncharset a=1-3; charset b=4-6;\npartition p = 2: a b;\nend;\n")
    with pytest.raises(InputError, match=r"line 4, partition 'p': .*2 parts, .* 1"):
        read_partitions(path, 6)
    path.write_text("#NEXUS\nbegin sets;\ncharset a=1-3; charset b=4-6;\ncharpartition p = HKY+G: a, JC: b,;\nend;\n")
    assert [part.model for part in read_partitions(path, 6)] == ["HKY+G", "JC"]
