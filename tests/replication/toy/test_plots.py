import numpy as np
import pytest
from matplotlib.patches import Ellipse

from tests.replication.toy.examples import made_up_tables
from vbpi_mix.replication.toy.plots import bounds_figure, latent_figure
from vbpi_mix.toys import exact_posterior, simulate_funnel


def assert_on_the_page(figure):
    figure.canvas.draw()
    texts = [*figure.texts, *(t for axes in figure.axes for t in [axes.title, axes.xaxis.label, axes.yaxis.label])]
    for axes in figure.axes:
        low, high = axes.get_ylim()  # labels of ticks beyond are not drawn
        texts += [*axes.texts, *(t for t in axes.get_yticklabels() if low <= t.get_position()[1] <= high)]
    for text in texts:
        if text.get_text():
            box = text.get_window_extent()
            assert box.x0 >= 0, text
            assert box.x1 <= figure.bbox.x1, text
            assert box.y0 >= 0, text
            assert box.y1 <= figure.bbox.y1, text


def test_bounds_gaps_and_times():
    figure = bounds_figure(made_up_tables())
    assert_on_the_page(figure)
    curves, gaps, times = figure.axes
    assert curves.get_legend().get_texts()[0].get_text() == "A2A S=5 A=5"
    assert gaps.lines[0].get_xdata() == pytest.approx([0.30, 0.34])
    assert [bar.get_width() for bar in times.patches] == [2.0, 1.0, 0.8, 0.5]
    assert curves.get_ylim()[1] > -40 > curves.get_ylim()[0]


def test_components_are_drawn_to_scale_and_none_is_cut_off():
    model, _ = simulate_funnel(1, n_points=2, dimension=3)
    means, sds = np.array([[0.0, 0.0], [40.0, -3.0]]), np.array([[1.0, 0.5], [0.1, 2.0]])
    figure = latent_figure(model, exact_posterior(model, tolerance=1e-4), title="A title", means=means, sds=sds)
    assert_on_the_page(figure)
    ellipses = [p for p in figure.axes[0].patches if isinstance(p, Ellipse)]
    assert [(e.get_width(), e.get_height()) for e in ellipses] == [(2, 1), (4, 2), (0.2, 4), (0.4, 8)]
    assert figure.axes[0].get_xlim()[1] > 40.2
    assert figure.axes[0].get_ylim()[0] < -7
