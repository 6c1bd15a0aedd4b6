"""The table in LaTeX, of made-up records."""

import re

import pytest

from tests.replication.table3.examples import PUBLISHED, made_up_table, write_records
from vbpi_mix.replication.table3.latex import latex
from vbpi_mix.replication.table3.results import load_results


@pytest.fixture
def variants(tmp_path):
    return load_results(write_records(tmp_path / "t", made_up_table()))


def test_latex(variants):
    text = latex(variants, PUBLISHED)
    tables = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL)
    assert len(tables) == 2
    for columns, body in tables:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {line.count(" & ") + 1 for line in rows} == {len(columns)}
        assert not re.search(r"(?<!\\)[#%_]", body)
    assert r"S2A & 4 & 1 & 1 & 4 & 7108.95 (0.09) & 8218.01 (0.73) \\" in text
    assert r"\textit{7108.92 (0.09)}" in text
    assert text.isascii()
