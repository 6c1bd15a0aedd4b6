import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.constraint_files import constraint_statements, parse_constraints

TAXA = ("a", "b", "c d", "e", "f", "g")


def splits(constraint):
    return [
        ({TAXA[i] for i in row.nonzero()[0]}, {TAXA[i] for i in other.nonzero()[0]})
        for row, other in zip(constraint.inside, constraint.outside, strict=True)
    ]


def test_trees_backbones_and_negatives(tmp_path):
    path = tmp_path / "constraints.nwk"
    path.write_text("[a comment; with a semicolon]\n((a,b),('c d',e,f),g);\nnot ((a:0.1,e)0.9:1,f,g);\n(a,b,\n(e,f))\n")
    statements = constraint_statements(path)
    assert len(statements) == 3
    full, negative, backbone = parse_constraints(statements, TAXA).each
    assert splits(full) == [({"a", "b"}, {"c d", "e", "f", "g"}), ({"c d", "e", "f"}, {"a", "b", "g"})]
    assert negative.negative
    assert splits(negative) == [({"a", "e"}, {"f", "g"})]
    assert splits(backbone) == [({"e", "f"}, {"a", "b"})]
    assert parse_constraints([s.rstrip(";") for s in statements], TAXA).each[1].negative


def test_mrbayes_commands(tmp_path):
    path = tmp_path / "block.nex"
    path.write_text(
        "#NEXUS\nbegin mrbayes;\nconstraint one = a b;\nconstraint two negative = a 'c d';\n"
        "constraint three partial = a 2 : e f;\nconstraint four hard -1 = 5 g;\nend;\n"
    )
    one, two, three, four = parse_constraints(constraint_statements([path]), TAXA).each
    assert (one.name, one.negative, two.negative) == ("one", False, True)
    assert splits(three) == [({"a", "b"}, {"e", "f"})]
    assert splits(four)[0][0] == {"f", "g"}


def test_text_is_taken_as_it_is():
    assert constraint_statements("((a,b),c);") == ("((a,b),c);",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("((a,b),(e,x));", "no taxon 'x'"),
        ("((a,b),(e,a));", "'a' .*more than once"),
        ("(a,b,e,f,g);", "no split"),
        ("((a,b),e);", "no split"),
        ("((a,b),(e,f);", "never closed"),
        ("constraint x partial = a b;", "TAXA : TAXA"),
        ("constraint x = a;", "every tree has this split"),
        ("constraint x = a q;", "no taxon 'q'"),
        ("constraint x partial = a b : b e;", "both sides"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(InputError, match=message):
        parse_constraints(constraint_statements(text), TAXA)


def test_other_commands_are_refused_with_their_line(tmp_path):
    path = tmp_path / "block.nex"
    path.write_text("begin mrbayes;\nconstraint one = a b;\n\nprset topologypr = constraints(one);\nend;\n")
    with pytest.raises(InputError, match=r"block.nex, line 4: 'prset"):
        constraint_statements(path)


def test_a_quoted_name():
    (only,) = parse_constraints(constraint_statements("constraint 'my clade' partial = A B : C D;"), list("ABCDE")).each
    assert only.name == "my clade"
