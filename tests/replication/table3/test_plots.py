"""Pictures of made-up records, those of costs among them."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.replication.table3.examples import PUBLISHED, made_up_record, made_up_table, write_records
from vbpi_mix.replication.table3.cost_plot import cost_figure
from vbpi_mix.replication.table3.plots import curves_figure, evidence_figure
from vbpi_mix.replication.table3.results import load_results
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, parse_rows


@pytest.fixture
def variants(tmp_path):
    return load_results(write_records(tmp_path / "t", made_up_table()))


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
