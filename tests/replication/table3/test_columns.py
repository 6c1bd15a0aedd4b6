import csv
import io

import pytest

from tests.replication.table3.examples import PUBLISHED, made_up_record, made_up_table, write_records
from vbpi_mix.replication.table3.columns import (
    EQUAL,
    bracketed,
    csv_text,
    difference,
    mark,
    number,
    plain_cell,
    pooled_text,
    tolerance,
    with_spread,
)
from vbpi_mix.replication.table3.results import load_results
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, parse_rows

(ROW,) = parse_rows(["4,1,S2A"])


def one_cell(folder, data, nll, seeds=(1,)):
    write_records(folder, [made_up_record(data, ROW, seed, nll=nll) for seed in seeds])
    return load_results(folder)[0].cell(data, ROW)


@pytest.mark.parametrize(
    ("data", "above", "expected"),
    [
        ("DS1", 0.10, ""),
        ("DS1", 0.11, "†"),
        ("DS1", -0.10, ""),
        ("DS1", -0.11, "‡"),
        ("DS5", 0.30, ""),
        ("DS5", 0.31, "†"),
    ],
)
def test_marks_begin_beyond_the_tolerance(tmp_path, data, above, expected):
    known = PUBLISHED.models[data, ROW]
    cell = one_cell(tmp_path, data, known.nll + above)
    assert difference(cell, known) == pytest.approx(above)
    assert mark(data, cell, known) == expected
    assert (difference(cell, None), mark(data, cell, None)) == (None, "")
    assert tolerance("primates") == 0.10


def test_numbers():
    assert number(None, 2) == "–"
    assert number(12345.6, 0) == "12,346"
    assert bracketed(7108.421, 0.149) == "7108.42 (0.15)"
    assert bracketed(None, 0.1) == "–"
    assert with_spread(1.0, 0.25, 2) == "1.00 ± 0.25"
    assert with_spread(20000.0, 0.0, 0) == "20,000"


def test_pooled_estimates_of_several_seeds(tmp_path):
    cell = one_cell(tmp_path, "DS1", 7108.0, seeds=(1, 2, 3, 4))
    assert pooled_text(cell) == "7107.999 ± 0.006"  # 0.012 / sqrt 4
    assert EQUAL.text(cell) == "7108.01"


def test_csv(tmp_path):
    (row, other) = TABLE3_ROWS[:2]
    records = made_up_table(data=("DS1", "DS5"), rows=(row,), seeds=(1, 2))
    lines = list(csv.DictReader(io.StringIO(csv_text(load_results(write_records(tmp_path, records)), PUBLISHED))))
    assert len(lines) == 2 * 16 + 2
    first = lines[0]
    assert (first["data"], first["estimator"], first["A"], first["seeds"]) == ("DS1", "a2a", "1", "1 2")
    assert float(first["nll"]) == pytest.approx(7108.451)
    assert float(first["difference"]) == 0.03
    assert float(first["kl"]) == 0.012
    assert first["beyond_tolerance"] == "0"
    assert (lines[1]["A"], lines[1]["nll"], lines[1]["published_nll"]) == (str(other.n_components), "", "7108.4")
    assert lines[16]["kl"] == ""  # DS5 has no golden run
    assert float(lines[16]["splits_q_mean"]) == 0.003
    assert (lines[-1]["table"], lines[-1]["published_nll"]) == ("MrBayes stepping stone", "8214.51")


def test_no_text_of_the_table_is_a_formula(tmp_path):
    cells = ["=HYPERLINK(1)", "+1", "-x", "@y", "DS1", -1.5, "", None]
    assert [plain_cell(x) for x in cells] == ["'=HYPERLINK(1)", "'+1", "'-x", "'@y", "DS1", -1.5, "", None]
    records = [made_up_record("=1+1", ROW, nll=7108.4)]
    text = csv_text(load_results(write_records(tmp_path, records)), PUBLISHED)
    assert ",=1" not in text
    assert ",'=1+1," in text
