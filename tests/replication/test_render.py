"""Tables and pictures of made-up records, whose every number is known."""

import re

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.replication.table3.examples import PUBLISHED, made_up_record, made_up_table, write_records
from vbpi_mix.replication.render import render_table3
from vbpi_mix.replication.table3.cost_plot import cost_figure
from vbpi_mix.replication.table3.latex import latex
from vbpi_mix.replication.table3.markdown import markdown
from vbpi_mix.replication.table3.plots import curves_figure, evidence_figure
from vbpi_mix.replication.table3.results import load_results
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, parse_rows


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


def assert_on_the_page(figure):
    figure.canvas.draw()
    texts = list(figure.texts) + [text for legend in figure.legends for text in legend.get_texts()]
    for axes in (axes for axes in figure.axes if axes.get_visible()):
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
    for text in texts:
        if text.get_text():
            box = text.get_window_extent()
            assert box.x0 >= 0, text
            assert box.x1 <= figure.bbox.x1, text
            assert box.y0 >= 0, text
            assert box.y1 <= figure.bbox.y1, text


def figures(variant):
    for make in (evidence_figure, curves_figure, cost_figure):
        figure = make(variant, PUBLISHED)
        assert isinstance(figure.canvas, FigureCanvasAgg)
        yield figure


def test_pictures_show_every_row(variants):
    evidence, curves, cost = figures(variants[0])
    for figure in (evidence, curves, cost):
        assert_on_the_page(figure)
    ds1 = evidence.axes[0]
    labels = [label.get_text() for label in ds1.get_yticklabels()]
    assert labels == [f"{row.estimator.upper()} {row.n_components},{row.n_sampled}" for row in TABLE3_ROWS]
    assert sum(line.get_marker() == "o" for line in ds1.lines) == 16
    assert [len(axes.get_legend().get_texts()) for axes in curves.axes] == [4, 6, 6] * 2
    # lines of one panel differ in more than colour
    for axes in curves.axes:
        drawn = [(line.get_linestyle(), line.get_marker()) for line in axes.lines[1:]]
        assert len(set(drawn)) == len(drawn)
    for axes in cost.axes:
        assert sum(len(line.get_xdata()) == 1 for line in axes.lines) == 16
        assert sorted(text.get_text() for text in axes.texts) == sorted(
            f"{row.n_components},{row.n_sampled}" for row in TABLE3_ROWS
        )


@pytest.mark.parametrize("data", [("DS1",), tuple(f"DS{i}" for i in range(1, 8))])
def test_pictures_of_few_and_many_data_sets(tmp_path, data):
    rows = parse_rows(["1,1,A2A;4,1,S2A"])
    records = made_up_table(data=data, rows=rows, seeds=(1,), label="a-rather-long-label")
    for figure in figures(load_results(write_records(tmp_path, records))[0]):
        assert_on_the_page(figure)


def test_pictures_of_one_model_of_other_data_and_a_short_training(tmp_path):
    record = made_up_record("mine", TABLE3_ROWS[0], nll=100.0)
    record["result"]["curve"] = {"iteration": [50.0], "seconds": [1.0], "bound": [-101.0], "ess": [2.0]}
    for figure in figures(load_results(write_records(tmp_path, [record]))[0]):
        assert_on_the_page(figure)


def test_files_are_the_same_again(tmp_path):
    folder = write_records(tmp_path / "t", made_up_table(data=("DS1",), rows=TABLE3_ROWS[:1], seeds=(1,)))
    paths = render_table3(folder)
    assert [path.name for path in paths] == [
        "table3.md", "table3.csv", "table3.tex", "evidence.svg", "evidence.png", "curves.svg", "curves.png", "cost.svg",
        "cost.png",
    ]  # fmt: skip
    again = render_table3(folder, tmp_path / "new" / "other")
    for one, two in zip(paths, again, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
