import io

import pytest
from Bio.Nexus.Nexus import Nexus

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_matrix import parse_nexus_matrix


def nexus(matrix, *, format_="datatype=dna missing=? gap=-", dimensions="ntax=4 nchar=6", block="data"):
    return f"#NEXUS\nbegin {block};\n\tdimensions {dimensions};\n\tformat {format_};\n\tmatrix\n{matrix}\n;\nend;\n"


ROWS = [("a", "ACGTAC"), ("b c", "ACG-AC"), ("it's", "NNNTAC"), ("d_e", "acgtac")]
LINES = "a ACGTAC\n'b c' ACG-AC\n'it''s' NNNTAC\nd_e acgtac"
BLOCKS = "a ACG\n'b c' ACG\n'it''s' NNN\nd_e acg\n\na TAC\n'b c' -AC\n'it''s' TAC\nd_e tac"


@pytest.mark.parametrize(
    "text",
    [
        nexus(LINES),
        nexus(LINES).replace("\n", "\r\n").replace("\r\n", "\n"),
        nexus(LINES, dimensions="nchar = 6 ntax = 4", format_="DATATYPE = DNA GAP = - MISSING = ? INTERLEAVE = NO"),
        nexus(BLOCKS, format_="datatype=dna interleave gap=-"),
        nexus(BLOCKS, format_="interleave=yes datatype=dna"),
        nexus("a ACG [3]\nTAC\n'b c'\nACG\n-AC\n'it''s' NNN TAC\nd_e acgtac"),
        nexus("a ACG TAC\n'b c' ACG -AC [x;\n]\n\"it's\" NNN TAC\n d_e a c g t a c"),
        nexus(LINES).replace("end;", "end;\nbegin mrbayes;\nset autoclose=yes;\nlset nst=6;\nend;"),
        "#nexus [x] Begin taxa; dimensions ntax=4; taxlabels a 'b c' 'it''s' d_e; end; begin sets; charset x=1-3; end;"
        + nexus(LINES, dimensions="nchar=6", block="CHARACTERS")[6:],
        "\n" + nexus(LINES, format_='datatype=rna symbols="0 1" gap=-'),
    ],
)
def test_layouts(text):
    assert parse_nexus_matrix(text, "f").rows == ROWS


def test_declared_signs():
    matrix = parse_nexus_matrix(nexus(LINES, format_="datatype=dna matchchar=. gap=~ missing=N"), "f")
    assert (matrix.match, matrix.gap, matrix.missing) == (".", "~", "N")
    assert parse_nexus_matrix(nexus(LINES, format_="datatype=dna"), "f").match is None


def test_sets_of_states_become_codes_but_names_stay():
    text = nexus("a(AC) {AG}(C,T)TAAA\nb {ACGT}{G T}(AC)(au){acg}{A-}\nc AAAAAA\nd CCCCCC")
    assert parse_nexus_matrix(text, "f").rows[:2] == [("a(AC)", "RYTAAA"), ("b", "NKMWVN")]


@pytest.mark.parametrize("text", [nexus(LINES), nexus(BLOCKS, format_="datatype=dna interleave missing=? gap=-")])
def test_biopython_reads_the_same(text):
    oracle = Nexus(io.StringIO(text))
    assert [(name, str(oracle.matrix[name])) for name in oracle.taxlabels] == parse_nexus_matrix(text, "f").rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (nexus(LINES, format_="datatype=continuous"), "data type is 'continuous'"),
        (nexus(LINES, format_="datatype=mixed(dna:1-3,protein:3-6)"), "site 3 .*two"),
        (nexus(LINES, format_="datatype=mixed(dna:1-3,protein:5-6)"), "site 4 .*none"),
        (nexus(LINES, dimensions="ntax=5 nchar=6"), "NTAX is 5, .*4 rows"),
        (nexus(LINES, dimensions="ntax=4 nchar=7"), "'a' has 6 sites, .*NCHAR is 7"),
        (nexus(LINES.replace("ACG-AC", "ACG-A")), "'b c' has 5 sites, .*NCHAR is 6"),
        (nexus(BLOCKS), "NCHAR = 6 .*INTERLEAVE"),
        (nexus("a ACG\nTAC\nb ACG", dimensions="ntax=2 nchar=6"), "'b' has 3 sites, .*NCHAR is 6"),
        (nexus("a ACG\nTAC", dimensions="ntax=1"), "NCHAR is needed"),
        (nexus(LINES, dimensions="ntax=four"), "NTAX is 'four'"),
        (nexus(LINES, format_='datatype=dna equate="0A"'), "EQUATE is '0A'"),
        (nexus(LINES, format_="datatype=dna transpose"), "TRANSPOSE is not read"),
        (nexus(LINES, format_="datatype=dna gap=--"), "GAP must be one character"),
        (nexus(LINES) + nexus(LINES)[6:], "it has 2"),
        ("#NEXUS\nbegin trees; tree a=(1,2); end;", "it has 0"),
        ("#NEXUS\nbegin data;\nmatrix\na ACGT", "no closing semicolon"),
        ("#NEXUS\nbegin data; [matrix", "comment .*never closed"),
    ],
)
def test_errors(text, message):
    with pytest.raises(InputError, match=message):
        parse_nexus_matrix(text, "f")
