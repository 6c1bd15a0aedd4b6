import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy import integrate, stats

from vbpi_mix.posterior.drawing.density_svg import densities_drawing, density_curves
from vbpi_mix.posterior.parameter_summary import summarise_columns


def curves_of(values, weights=None, names=None):
    weights = np.full(len(values), 1 / len(values)) if weights is None else weights
    names = tuple(f"x{i}" for i in range(values.shape[1])) if names is None else names
    return density_curves(summarise_columns(names, values, weights), values, weights)


def test_scipy_finds_the_same_density():
    generator = np.random.default_rng(1)
    values = generator.normal(3.0, 2.0, (4000, 1))
    weights = generator.gamma(2.0, size=4000)
    weights /= weights.sum()
    (curve,) = curves_of(values, weights)
    size = summarise_columns(("x",), values, weights).effective_sample_size[0]
    factor = 1.06 * size**-0.2
    theirs = stats.gaussian_kde(values[:, 0], weights=weights, bw_method=factor)(curve.x)
    np.testing.assert_allclose(curve.y, theirs, atol=0.01 * theirs.max())


def test_nothing_is_lost_below_zero():
    values = np.random.default_rng(2).exponential(1.0, (20_000, 1))
    (curve,) = curves_of(values)
    assert curve.x[0] == 0
    assert integrate.trapezoid(curve.y, curve.x) == pytest.approx(stats.expon().cdf(curve.x[-1]), abs=0.01)
    assert curve.y[0] > 0.8  # without reflection it would be one half


def test_a_number_that_does_not_vary_has_a_picture_too():
    drawing = densities_drawing(curves_of(np.full((9, 2), 0.25)), title="t", width=364, n_columns=2)
    assert "nan" not in drawing.svg()


@pytest.mark.parametrize(("width", "n_columns"), [(880.0, 4), (364.0, 2)])
def test_everything_stands_on_the_canvas(width, n_columns):
    values = np.random.default_rng(3).gamma(2.0, 0.3, (500, 7))
    names = ("TL", "r(A<->C)", "pi(A){1}", "<b>&", "alpha", "pinvar", "m{2}")
    drawing = densities_drawing(curves_of(values, names=names), title="Parameters", width=width, n_columns=n_columns)
    tree = ET.fromstring(drawing.svg())
    texts = [node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert set(names) <= set(texts)
    for tag in ("polygon", "polyline"):
        shapes = list(tree.iter(f"{{http://www.w3.org/2000/svg}}{tag}"))
        assert len(shapes) == 7
        points = np.array([[float(x) for x in p.split(",")] for s in shapes for p in s.get("points").split()])
        assert points.min() >= 0
        assert points[:, 0].max() <= width + 0.1
        assert points[:, 1].max() <= drawing.height
