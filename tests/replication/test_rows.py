"""Rows of benchmarks: words and what they name, and jobs that cannot be run."""

import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.replication.rows import check_jobs, parse_row


def test_a_row():
    row = parse_row(" S2A:2:5")
    assert (row.estimator, row.n_sampled, row.n_components) == ("s2a", 2, 5)
    assert (row.word, row.label) == ("s2a:2:5", "S2A S=2 A=5")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("s2a:2", "ESTIMATOR:S:A"),
        ("s2a:two:5", "ESTIMATOR:S:A"),
        ("iwae:1:2", "unknown estimator"),
        ("s2a:5:2", "5"),
        ("a2a:1:2", "a2a"),
    ],
)
def test_words_that_name_no_row(word, message):
    with pytest.raises(ConfigError, match=message):
        parse_row(word)


@pytest.mark.parametrize(
    ("rows", "seeds", "message"),
    [((), (1,), "at least one"), (("a",), (), "at least one"), (("a", "a"), (1,), "row a"), (("a",), (3, 3), "seed 3")],
)
def test_jobs_that_cannot_be_run(rows, seeds, message):
    with pytest.raises(ConfigError, match=message):
        check_jobs("toy", rows, seeds)


def test_jobs_that_can():
    check_jobs("toy", ("a", "b"), (1, 2))
