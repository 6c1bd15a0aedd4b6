import numpy as np

from vbpi_mix.evaluate.distances.splits import split_agreement, split_table
from vbpi_mix.phylo import all_topologies
from vbpi_mix.posterior.drawing.split_scatter import comparison_figure

TAXA = tuple("abcde")


def agreement():
    topologies = all_topologies(5)[np.arange(3)]
    tables = [split_table(TAXA, topologies, np.array(weights)) for weights in ([0.5, 0.3, 0.2], [0.52, 0.1, 0.38])]
    return split_agreement(tables)


def test_every_split_is_a_point_and_those_far_apart_have_their_own_sign():
    splits = agreement()
    figure = comparison_figure(splits, first="$run$_1", reference="r" * 60)
    diagonal, near, far = figure.axes[0].lines
    assert (near.get_marker(), far.get_marker()) == ("o", "^")
    points = {True: set(), False: set()}
    for line, apart in ((near, False), (far, True)):
        points[apart] = set(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))
    y, x = splits.frequencies
    for apart in (True, False):
        rows = (np.abs(x - y) > 0.05) == apart
        assert points[apart] == set(zip(x[rows].tolist(), y[rows].tolist(), strict=True))
        assert points[apart]
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert figure.axes[0].get_ylabel().endswith("$run$_1")
    assert figure.axes[0].get_xlabel().endswith("r...")
    figure.canvas.draw()
