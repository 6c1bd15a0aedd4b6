import xml.etree.ElementTree as ET

import numpy as np
import pytest

from vbpi_mix.posterior.drawing.chart_svg import LengthRow, lengths_drawing, probability_bar, ticks, training_drawing

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-7109.1, -7108.2), (0, 20_000), (3e-7, 5e-7), (-1, 1e6)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high, 5)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    assert len(set(np.round(np.diff(found) / (found[1] - found[0]), 6))) == 1


def test_a_training_curve():
    iterations = np.arange(100, 2100, 100)
    drawing = training_drawing(iterations, -100 - 50 / iterations, -99.9)
    root = ET.fromstring(drawing.svg())
    points = np.array([p.split(",") for p in root.find(f"{SVG}polyline").get("points").split()], dtype=float)
    assert len(points) == 20
    assert (np.diff(points[:, 0]) > 0).all()
    assert (np.diff(points[:, 1]) <= 0).all()  # upwards
    assert points.min() > 0
    assert points[:, 1].max() < drawing.height
    flat = training_drawing(iterations, np.full(20, -5.0), -5.0)  # nothing to scale by
    assert "nan" not in flat.svg()


def test_lengths():
    rows = [
        LengthRow(name="a<b", others=0, mean=0.1, low=0.05, high=0.2, inner=False),
        LengthRow(name="a very long name of a taxon in a list", others=7, mean=0.0, low=0.0, high=0.0, inner=True),
    ]
    root = ET.fromstring(lengths_drawing(rows, title="t", largest=0.2).svg())
    texts = [t.text for t in root.findall(f"{SVG}text")]
    assert "a<b" in texts
    assert any(t.endswith("… +7") for t in texts)
    assert len(root.findall(f"{SVG}circle")) == len(root.findall(f"{SVG}rect")) == 1


def test_a_bar_with_its_whisker():
    root = ET.fromstring(probability_bar(0.75, 0.1).svg())
    assert float(root.findall(f"{SVG}rect")[1].get("width")) == pytest.approx(90)
    whisker = root.findall(f"{SVG}line")[0]
    assert (float(whisker.get("x1")), float(whisker.get("x2"))) == pytest.approx((0.55 * 120, 0.95 * 120))
    assert not ET.fromstring(probability_bar(1.0, 0.0).svg()).findall(f"{SVG}line")
