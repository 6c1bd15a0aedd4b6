import io
import warnings
from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.text import Annotation

from tests.posterior.examples import PRIMATES, made_up_draws
from vbpi_mix.posterior.consensus import consensus_tree
from vbpi_mix.posterior.drawing.rooting import display_tree
from vbpi_mix.posterior.drawing.tree_figure import consensus_figure
from vbpi_mix.posterior.summaries import summarise_splits

LONG = tuple(f"${'long name ' * i}_{i}^2$" for i in range(12))


def texts(figure):
    figure.canvas.draw()
    return [t for t in figure.axes[0].texts if isinstance(t, Annotation)]


@pytest.mark.parametrize("taxa", [PRIMATES, LONG], ids=["short", "long"])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_overlaps_and_nothing_is_cut(taxa, seed):
    tree = consensus_tree(summarise_splits(made_up_draws(taxa=taxa, seed=seed)), extended=True)
    figure = consensus_figure(tree, title="A title")
    found = texts(figure)
    assert {t.get_text() for t in found} >= set(taxa)
    boxes = [t.get_window_extent() for t in found]
    for box in [*boxes, *(t.get_window_extent() for t in figure.texts)]:
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0
        assert box.y1 <= figure.bbox.y1
    for a, b in combinations(range(len(boxes)), 2):
        assert not boxes[a].overlaps(boxes[b]), f"{found[a].get_text()} meets {found[b].get_text()}"
    assert sum(t.get_text().startswith(("0.", "1.0")) for t in found) >= 9


def test_branches_are_to_scale():
    tree = consensus_tree(summarise_splits(made_up_draws()))
    figure = consensus_figure(tree, title="A title")
    segments = next(c for c in figure.axes[0].collections if isinstance(c, LineCollection)).get_segments()
    horizontal = sorted(abs(s[1][0] - s[0][0]) for s in segments if s[0][1] == s[1][1])
    display = display_tree(tree)
    drawn = [display.lengths[i] for i in range(display.n_nodes) if i != display.root]
    np.testing.assert_allclose(horizontal, sorted(drawn), atol=1e-12)
    bar = figure.axes[0].lines[0].get_xdata()
    label = next(t.get_text() for t in texts(figure) if "substitutions" in t.get_text())
    assert label == f"{bar[1]:g} substitutions per site"
    depth = figure.axes[0].dataLim.x1
    assert 0.08 * depth < bar[1] <= 0.25 * depth


def test_it_says_how_it_is_rooted():
    tree = consensus_tree(summarise_splits(made_up_draws()))
    assert "midpoint-rooted for display" in consensus_figure(tree, title="A title").texts[1].get_text()
    rooted = consensus_figure(tree, title="A title", outgroup="Pan")
    assert "rooted at Pan for display" in rooted.texts[1].get_text()


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.parametrize("n_taxa", [3, 100])
def test_small_large_and_lengthless_trees(kind, n_taxa):
    draws = made_up_draws(5, n_taxa)
    if n_taxa == 3:
        draws.branch_lengths[:] = 0
    figure = consensus_figure(consensus_tree(summarise_splits(draws)), title="A title")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(file, format=kind)
    assert len(file.getvalue()) > 1000
