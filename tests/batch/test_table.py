import math
import multiprocessing
from dataclasses import replace

import pytest

from vbpi_mix.batch.table import COLUMNS, Row, append_row, read_rows, row_of_error, write_rows
from vbpi_mix.errors import InputError

ROW = Row(
    locus="a", level="good", taxa=5, sites=9, topologies=2, effective_topologies=1.5, top_probability=0.75, key="k"
)


def test_rows_come_back(tmp_path):
    path = tmp_path / "loci.tsv"
    append_row(path, ROW)
    append_row(path, row_of_error("b", "", "two\tlines\nof reasons"))
    append_row(path, replace(ROW, taxa=6))
    rows = read_rows(path)
    assert list(rows) == ["a", "b"]
    assert rows["a"].taxa == 6
    assert math.isnan(rows["a"].log_ml)
    assert rows["b"].failed
    assert rows["b"].error == "two lines of reasons"
    assert path.read_text().splitlines()[0].split("\t") == list(COLUMNS)
    write_rows(path, rows.values())
    assert len(path.read_text().splitlines()) == 3


def test_a_line_that_was_cut_off_is_passed_over(tmp_path):
    path = tmp_path / "loci.tsv"
    append_row(path, ROW)
    append_row(path, replace(ROW, locus="b"))
    path.write_text(path.read_text()[:-5])
    assert list(read_rows(path)) == ["a"]


def test_another_table_is_refused(tmp_path):
    (tmp_path / "loci.tsv").write_text("locus\n")
    with pytest.raises(InputError, match="no table of loci"):
        read_rows(tmp_path / "loci.tsv")
    assert read_rows(tmp_path / "none.tsv") == {}


def _append(path, number):
    for i in range(50):
        append_row(path, replace(ROW, locus=f"{number}-{i}", verdict="x" * 300))


def test_processes_append_whole_lines(tmp_path):
    path = tmp_path / "loci.tsv"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append, args=(path, n)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(read_rows(path)) == 200
    assert path.read_text().count("locus\t") == 1
