import xml.etree.ElementTree as ET

import numpy as np
import pytest

from vbpi_mix.posterior.drawing.credible_svg import credible_drawing


@pytest.mark.parametrize("n", [1, 2, 7, 5000])
def test_levels_are_marked_where_they_are_reached(n):
    p = np.sort(np.random.default_rng(1).dirichlet(np.full(n, 0.5)))[::-1]
    svg = credible_drawing(p, title="topologies").svg()
    root = ET.fromstring(svg)
    said = [x.text for x in root.iter() if x.tag.endswith("text")]
    for level in (0.5, 0.95):
        assert f"{level:.0%}: {1 + int((np.cumsum(p) < level * (1 - 1e-12)).sum()):,}" in said
    points = next(x for x in root.iter() if x.tag.endswith("polyline")).attrib["points"].split()
    across = [float(point.split(",")[0]) for point in points]
    assert across == sorted(across)
    assert across[-1] <= 460
