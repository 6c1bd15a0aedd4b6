import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.posterior.examples import PRIMATES, made_up_draws
from vbpi_mix.posterior.consensus import consensus_tree
from vbpi_mix.posterior.drawing.cloud_svg import cloud_drawing, make_cloud
from vbpi_mix.posterior.drawing.rooting import display_tree, tree_layout
from vbpi_mix.posterior.summaries import summarise_splits


def test_a_single_tree_is_drawn_like_the_consensus():
    """One tree is its own consensus: distances from the root and the order of the tips are the same."""
    for outgroup in (None, PRIMATES[0], PRIMATES[5]):
        draws = made_up_draws(1)
        consensus = consensus_tree(summarise_splits(draws))
        cloud = make_cloud(draws, consensus, outgroup=outgroup)
        display = display_tree(consensus, outgroup=outgroup)
        x, y = tree_layout(display)
        (lines,) = cloud.lines
        n = consensus.n_taxa
        assert len(lines) == 2 * n - 2
        tips = {int(row): end for _, _, end, row in lines[-n:]}
        assert tips == pytest.approx({int(y[tip]): x[tip] for tip in range(n)})
        assert [int(y[tip]) for tip in cloud.order] == list(range(n))
        assert lines[:, 2].sum() - lines[:, 0].sum() == pytest.approx(draws.branch_lengths.sum())
        assert cloud.shares == (1.0, 0.0, 0.0, 0.0)


def test_kinds_are_ranks_of_topologies():
    draws = made_up_draws(400, equal=True)
    cloud = make_cloud(draws, consensus_tree(summarise_splits(draws)))
    counts = np.sort(np.bincount(draws.topologies.unique()[1]))[::-1] / 400
    assert cloud.shares[:3] == pytest.approx(counts[:3].tolist())
    assert cloud.shares[3] == pytest.approx(counts[3:].sum())
    assert np.bincount(cloud.kinds, minlength=4) / 400 == pytest.approx(cloud.shares)


@pytest.mark.parametrize("n_taxa", [3, 12, 70])
def test_total_length_is_kept_whatever_the_tree_lacks(n_taxa):
    draws = made_up_draws(30, n_taxa, ratio=0.9)
    cloud = make_cloud(draws, consensus_tree(summarise_splits(draws)))
    for lines, lengths in zip(cloud.lines, draws.branch_lengths, strict=True):
        assert lines[:, 2].sum() - lines[:, 0].sum() == pytest.approx(lengths.sum())
        assert (lines[:, 2] >= lines[:, 0] - 1e-12).all()
    for width in (364.0, 880.0):
        drawing = cloud_drawing(cloud, width=width, title="t")
        root = ET.fromstring(drawing.svg())
        assert len(root.findall("{http://www.w3.org/2000/svg}path")) == 30
        assert "nan" not in drawing.svg()
