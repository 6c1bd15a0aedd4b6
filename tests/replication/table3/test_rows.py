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
    (row,) = parse_rows(word)
    assert row.n_evaluations == expected
    assert row.word == word


def test_words():
    assert parse_rows("all") == TABLE3_ROWS
    assert [row.word for row in parse_rows("a2a")] == ["1,1,A2A", "2,2,A2A", "3,3,A2A", "4,4,A2A"]
    # in the order of the table, however they are written
    assert [row.name for row in parse_rows(" 4,1,s2s ; 2, 1 ,S2A;A2A")][-2:] == ["A2_S1_s2a", "A4_S1_s2s"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is not all, A2A"),
        ("A3A", "is not all, A2A, S2A, S2S, or A,S,ESTIMATOR"),
        ("4,1", "is not all"),
        ("4,1,S2A;", "row '' is not"),
        ("4,x,S2A", "is not all"),
        ("4,1,IWAE", "unknown estimator"),
        ("4,2,A2A", "Table 3 has no row 4,2,A2A; its A2A rows are 1,1,A2A; 2,2,A2A"),
        ("5,1,S2A", "no row 5,1,S2A"),
        ("4,1,S2A;S2A", "row 4,1,S2A is given twice"),
        ("all;1,1,A2A", "row 1,1,A2A is given twice"),
    ],
)
def test_mistakes(text, expected):
    with pytest.raises(ConfigError, match=expected.replace("(", r"\(")):
        parse_rows(text)


def test_rows_sort_into_files():
    assert Table3Row(estimator="s2a", n_components=4, n_sampled=1).name == "A4_S1_s2a"
