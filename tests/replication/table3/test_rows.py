import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.replication.table3.published import load_published
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, Table3Row, parse_rows


def test_the_rows_are_those_that_the_paper_prints():
    published = load_published().models
    for number in range(1, 9):
        assert [row for name, row in published if name == f"DS{number}"] == list(TABLE3_ROWS)


@pytest.mark.parametrize(
    ("word", "expected"), [("4,4,A2A", (4, 16)), ("4,2,S2A", (2, 8)), ("4,2,S2S", (2, 4)), ("1,1,A2A", (1, 1))]
)
def test_evaluations_of_a_step(word, expected):
    (row,) = parse_rows([word])
    assert row.n_evaluations == expected
    assert row.label == word
    assert parse_rows([row.word]) == (row,)


def test_words():
    assert parse_rows(["all"]) == TABLE3_ROWS
    assert [row.word for row in parse_rows(["a2a"])] == ["a2a:1:1", "a2a:2:2", "a2a:3:3", "a2a:4:4"]
    assert parse_rows(["s2a:1:4", "a2a:2:2;S2S:2:4"]) == parse_rows(["4,1,S2A;2,2,A2A;4,2,S2S"])
    # in the order of the table, however they are written
    assert [row.name for row in parse_rows([" 4,1,s2s ; 2, 1 ,S2A;A2A"])][-2:] == ["A2_S1_s2a", "A4_S1_s2s"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is not all, a2a"),
        ("A3A", "all, a2a, s2a, s2s, or ESTIMATOR:S:A"),
        ("4,1", "is not ESTIMATOR:S:A"),
        ("4,1,S2A;", "row '' is not"),
        ("4,x,S2A", "is not ESTIMATOR:S:A"),
        ("4,1,IWAE", "unknown estimator"),
        ("3,3,S2A", "no row s2a:3:3; .*s2a:1:2; s2a:1:3"),
        ("5,1,S2A", "no row s2a:1:5"),
        ("4,1,S2A;S2A", "row s2a:1:4 is given twice"),
        ("all;1,1,A2A", "row a2a:1:1 is given twice"),
    ],
)
def test_mistakes(text, expected):
    with pytest.raises(ConfigError, match=expected.replace("(", r"\(")):
        parse_rows([text])


def test_rows_sort_into_files():
    assert Table3Row(estimator="s2a", n_components=4, n_sampled=1).name == "A4_S1_s2a"
