"""Tables of made-up records, whose every number is known."""

import pytest

from tests.replication.table3.examples import PUBLISHED, made_up_record, made_up_table, write_records
from vbpi_mix.replication.table3.markdown import markdown
from vbpi_mix.replication.table3.results import load_results
from vbpi_mix.replication.table3.rows import parse_rows


@pytest.fixture
def variants(tmp_path):
    return load_results(write_records(tmp_path / "t", made_up_table()))


def cells(line):
    return [cell.strip() for cell in line.strip("| ").split("|")]


def assert_tables_are_whole(text):
    """Every line of a table has as many cells as its head."""
    width = None
    for line in text.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        width = width or line.count("|")
        assert line.count("|") == width, line


def test_markdown(variants):
    text = markdown(variants, PUBLISHED)
    assert_tables_are_whole(text)
    lines = text.splitlines()
    assert "| S2A | 4 | 1 | 1 | 4 | 7108.95 (0.09)<br>*7108.92 (0.09)* | 8218.01 (0.73)<br>*8217.98 (0.73)* |" in lines
    assert "| MrBayes, stepping stone |  |  |  |  | *7108.42 (0.18)* | *8214.51 (0.28)* |" in lines
    assert "- DS5: fewer seeds than the paper's 3: all trained rows" in lines
    evidence = [line for line in lines if line.startswith("| 4,1,S2A | 1 2 |")]
    assert cells(evidence[0])[2:5] == ["7108.95 ± 0.01 (0.09)", "7108.92 (0.09)", "+0.03"]
    # DS1 has distances of topologies, DS5 those of splits only
    heads = [cells(line) for line in lines if line.startswith("| A,S | ") and "splits" in line]
    assert heads[0][1:4] == ["KL(golden to q)", "TV of q", "TV weighted"]
    assert heads[1][1] == "splits weighted, mean"
    assert "iterations 20000, particles 10" in text
    assert "commit abcdef0 on a processor, torch 2.13.0, 2 threads" in text
    assert "side by side" not in text


def test_markdown_of_what_is_there_so_far(tmp_path):
    (row,) = parse_rows(["4,1,S2A"])
    records = [
        made_up_record("DS1", row, nll=7109.2, reference=None),
        made_up_record("DS1", row, nll=7108.5, label="cure"),
        made_up_record("mine", row, nll=100.0, iterations=50),
    ]
    text = markdown(load_results(write_records(tmp_path, records)), PUBLISHED)
    assert_tables_are_whole(text)
    assert "| S2A | 4 | 1 | 1 | 4 | 7109.20 (0.10)†<br>*7108.92 (0.09)* | 100.00 (0.10)<br>*–* |" in text
    assert "| A2A | 1 | 1 | 1 | 1 | –<br>*7108.42 (0.15)* | –<br>*–* |" in text
    assert "No MCMC run to compare posteriors with was given." in text
    assert "**Not all models were trained alike**: iterations is 20000 or 50." in text
    assert "## The tables side by side" in text
    side = [line for line in text.splitlines() if line.startswith("| 4,1,S2A | 7109.20 (0.10)†; -7110.80; ")]
    assert cells(side[0])[2].startswith("7108.50 (0.10)‡; ")
    assert "mine: side by side" not in text
