from dataclasses import replace

from tests.batch.test_table import ROW
from vbpi_mix.batch.page import write_page
from vbpi_mix.batch.table import row_of_error


def test_the_page_names_what_matters(tmp_path):
    rows = [replace(ROW, locus=f"l{i}", core_seconds=float(i)) for i in range(30)]
    rows += [replace(ROW, locus="p", level="poor", verdict="they <differ>"), row_of_error("f", "", "a reason & more")]
    write_page(tmp_path / "index.html", rows, 40, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "32 of 40" in page
    assert "30 good, 0 fair, 1 poor, 1 failed" in page
    assert "a reason &amp; more" in page
    assert "they &lt;differ&gt;" in page
    slowest = page[page.index("<h2>Slowest") :]
    assert slowest.index("<td>l29</td>") < slowest.index("<td>l28</td>")
    assert "http" not in page
