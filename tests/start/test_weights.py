import numpy as np
import pytest

from tests.start.examples import example
from vbpi_mix.phylo import all_topologies, collect
from vbpi_mix.start import weigh_topologies


def test_weights_order_the_sample_and_ignore_the_candidates_frequencies():
    names, model, _ = example()
    topologies = all_topologies(6)
    plain = weigh_topologies(model, collect(names, topologies))
    frequencies = np.random.default_rng(1).integers(1, 100, len(topologies)).astype(float)
    other = weigh_topologies(model, collect(names, topologies, frequencies))
    assert (np.diff(plain.sample.weights) <= 0).all()
    assert plain.sample.weights.sum() == pytest.approx(1.0)
    assert plain.sample.weights == pytest.approx(other.sample.weights, abs=1e-3)
    assert 1 <= plain.effective_number <= 105
