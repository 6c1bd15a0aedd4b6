import csv

import pytest

from tests.replication.toy.examples import made_up_tables
from vbpi_mix.replication.toy.tables import comparisons, csv_lines, markdown, write_tables


def test_comparisons_have_the_sign_and_size_of_the_gaps():
    found = {(line[0], line[1]): line[3:] for line in comparisons(made_up_tables())}
    assert found["S2A S=2 A=5", "A2A S=5 A=5"] == ("+0.0000 ± 0.0100", "0.50", "0.50")
    assert found["S2S S=2 A=5", "A2A S=5 A=5"] == ("-0.3300 ± 0.0300", "0.40", "0.40")
    assert found["S2A S=1 A=20", "A2A S=5 A=5"] == ("+0.2100 ± 0.0100", "0.25", "0.25")
    assert not any("S2S S=5 A=20" in pair for pair in found)  # not trained


def test_markdown():
    text = markdown(made_up_tables())
    assert "| A2A S=5 A=5 | -40.3200 | 0.3200 (0.3000 to 0.3400) | 2.000 | 20.000 | 50 |" in text
    assert "commit abcdef0 on a processor, torch 2.13.0" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {7}


def test_csv(tmp_path):
    tables = made_up_tables()
    paths = write_tables(tables, tmp_path)
    assert [path.name for path in paths] == ["toy.csv", "toy.md"]
    with paths[0].open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(csv_lines(tables)) == 8
    assert [float(line["gap"]) for line in lines[:2]] == pytest.approx([0.30, 0.34])
    assert lines[0]["ms_per_step"] == "2.0000"
