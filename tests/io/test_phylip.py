import pytest
from Bio import AlignIO

from vbpi_mix.errors import InputError
from vbpi_mix.io.phylip import is_phylip, parse_phylip

PLAIN = [("a", "ACGTAC"), ("b", "ACG-AC"), ("c", "NNNTAC"), ("d", "acgtac")]
SPACED = [("Homo sapiens", "ACGTAC"), ("Pan paniscus", "ACG-AC"), ("Gorilla g.", "NNNTAC"), ("it's 4", "acgtac")]
STRICT = [("Homo sapie", "ACGTAC"), ("Pan panisc", "ACG-AC"), ("Gorilla g.", "NNNTAC"), ("it's", "acgtac")]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("4 6\na ACGTAC\nb ACG-AC\nc NNNTAC\nd acgtac\n", PLAIN),
        ("\n  4\t6  \na\tACGTAC\nb    ACG -AC\n\nc NNN TAC\nd acgtac", PLAIN),
        # sequential over several lines, names alone or not
        ("4 6 S\na ACG\nTAC\nb\nACG\n-AC\nc NN\nNTA\nC\nd acgtac\n", PLAIN),
        ("4 6\na ACG\nTAC\nb ACG\n-AC\nc NNN\nTAC\nd acg\ntac\n", PLAIN),
        # interleaved, with and without a blank line and repeated names
        ("4 6 I\na ACG\nb ACG\nc NNN\nd acg\n\nTAC\n-AC\nTAC\ntac\n", PLAIN),
        ("4 6\na ACG\nb ACG\nc NNN\nd acg\n  TAC\n  -AC\n  TAC\n  tac\n", PLAIN),
        ("4 6\na ACG\nb ACG\nc NNN\nd acg\n\na TAC\nb -AC\nc TAC\nd tac\n", PLAIN),
        # strict: ten characters, whatever they are
        ("4 6\nHomo sapieACGTAC\nPan paniscACG-AC\nGorilla g.NNNTAC\nit's      acgtac\n", STRICT),
        ("4 6\nHomo sapieACG\nPan paniscACG\nGorilla g.NNN\nit's      acg\n\nTAC\n-AC\nTAC\ntac\n", STRICT),
        ("4 6\nHomo sapieACG\nTAC\nPan paniscACG\n-AC\nGorilla g.NNN\nTAC\nit's      acg\ntac\n", STRICT),
        # names with spaces: two spaces or a tab end them, or the last word is the sequence, or quotes hold them
        ("4 6\nHomo sapiens  ACG TAC\nPan paniscus  ACG-AC\nGorilla g.  NNNTAC\nit's 4\tacgtac\n", SPACED),
        ("4 6\nHomo sapiens ACGTAC\nPan paniscus ACG-AC\nGorilla g. NNNTAC\nit's 4 acgtac\n", SPACED),
        ("4 6\n'Homo sapiens' ACG TAC\n'Pan paniscus' ACG-AC\n'Gorilla g.' NNNTAC\n'it''s 4' acgtac\n", SPACED),
    ],
)
def test_variants(text, rows):
    assert is_phylip(text)
    assert parse_phylip(text, "f") == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5 6\na ACGTAC\nb ACG-AC\nc NNNTAC\nd acgtac\n", "5 taxa, .*4 rows"),
        ("3 6\na ACGTAC\nb ACG-AC\nc NNNTAC\nd acgtac\n", "3 taxa, .*4 rows"),
        ("4 6\na ACGTAC\nb ACG-A\nc NNNTAC\nd acgtac\n", "'b' has 5 sites, .* 6"),
        ("4 7\na ACGTAC\nb ACG-AC\nc NNNTAC\nd acgtac\n", "'a' has 6 sites, .* 7"),
        ("4 6\na ACGTAC\nb ACG-AC\na NNNTAC\nd acgtac\n", "two rows are named 'a'"),
        ("4 6\na ACGTAC\nb ACG-AC\nc NN@TAC\nd acgtac\n", "'c' has '@' at column 3"),
        ("0 6\n", "declares 0 taxa"),
        ("4 0\na\nb\nc\nd\n", "0 sites"),
        ("4 6\n", "but there are 0 rows"),
    ],
)
def test_errors(text, message):
    with pytest.raises(InputError, match=message):
        parse_phylip(text, "f")


def test_is_phylip():
    assert not is_phylip("4 6 7\n")
    assert not is_phylip("ACGT\n4 6\n")


def test_biopython_reads_the_same(repository):
    path = repository / "data" / "examples" / "iqtree_example.phy"
    records = AlignIO.read(path, "phylip-relaxed")
    assert parse_phylip(path.read_text(), "f") == [(record.id, str(record.seq)) for record in records]
