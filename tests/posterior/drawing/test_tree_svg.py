import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.posterior.examples import PRIMATES, made_up_draws
from vbpi_mix.errors import InputError
from vbpi_mix.posterior.consensus import consensus_tree
from vbpi_mix.posterior.drawing.rooting import display_tree
from vbpi_mix.posterior.drawing.svg import text_width
from vbpi_mix.posterior.drawing.tree_svg import consensus_drawing
from vbpi_mix.posterior.summaries import summarise_splits

SVG = "{http://www.w3.org/2000/svg}"
LONG = tuple(f"<b>{'long name ' * i}&{i}" for i in range(12))


@pytest.mark.parametrize("taxa", [PRIMATES, LONG], ids=["short", "long"])
@pytest.mark.parametrize("width", [364.0, 880.0])
def test_all_taxa_are_there_and_inside(taxa, width):
    consensus = consensus_tree(summarise_splits(made_up_draws(taxa=taxa)))
    root = ET.fromstring(consensus_drawing(consensus, width=width, title="t").svg())
    texts = root.findall(f"{SVG}text")
    shown = {(t.find(f"{SVG}title").text if t.find(f"{SVG}title") is not None else t.text) for t in texts}
    assert set(taxa) <= shown
    for t in texts:
        assert float(t.get("x")) >= 0
        assert float(t.get("x")) + text_width(t.text, float(t.get("font-size"))) <= width + 1
        assert 0 < float(t.get("y")) < float(root.get("height"))


def test_branches_are_to_scale():
    consensus = consensus_tree(summarise_splits(made_up_draws()))
    root = ET.fromstring(consensus_drawing(consensus, width=880, title="t").svg())
    numbers = np.array(re.findall(r"[\d.]+", root.find(f"{SVG}path").get("d")), dtype=float).reshape(-1, 4)
    horizontal = numbers[numbers[:, 1] == numbers[:, 3]]
    drawn = np.sort(np.abs(horizontal[:, 2] - horizontal[:, 0]))
    display = display_tree(consensus)
    lengths = np.sort(np.delete(display.lengths, display.root))
    ratio = drawn.sum() / lengths.sum()
    np.testing.assert_allclose(drawn, lengths * ratio, atol=0.11)
    label = next(t.text for t in root.findall(f"{SVG}text") if "substitutions per site" in t.text)
    bar = next(x for x in root.findall(f"{SVG}line") if x.get("y1") == x.get("y2"))
    assert float(bar.get("x2")) - float(bar.get("x1")) == pytest.approx(float(label.split()[0]) * ratio, rel=0.01)


def test_supports_have_dots_and_numbers():
    consensus = consensus_tree(summarise_splits(made_up_draws()))
    root = ET.fromstring(consensus_drawing(consensus, width=880, title="t").svg())
    expected = display_tree(consensus).supports
    expected = expected[np.isfinite(expected)]
    assert len(root.findall(f"{SVG}circle")) == len(expected)
    shown = [t.text for t in root.findall(f"{SVG}text") if re.fullmatch(r"0\.\d\d", t.text)]
    assert sorted(shown) == sorted(f"{x:.2f}" for x in expected if x < 0.995)


@pytest.mark.parametrize("n_taxa", [3, 100])
def test_small_large_and_lengthless_trees(n_taxa):
    draws = made_up_draws(5, n_taxa)
    if n_taxa == 3:
        draws.branch_lengths[:] = 0
    drawing = consensus_drawing(consensus_tree(summarise_splits(draws)), width=364, title="t")
    assert "nan" not in drawing.svg()
    assert drawing.height > 16 * n_taxa


def test_an_unknown_outgroup():
    consensus = consensus_tree(summarise_splits(made_up_draws()))
    with pytest.raises(InputError, match="Nobody"):
        consensus_drawing(consensus, width=364, title="t", outgroup="Nobody")
