import numpy as np
import pytest

from tests.start.examples import example
from vbpi_mix.model import length_density
from vbpi_mix.model.length_density import log_density, log_density_value
from vbpi_mix.phylo import all_topologies


def test_both_ways_to_the_density_agree():
    _, model, _ = example()
    topologies = all_topologies(6)[:10]
    x = np.random.default_rng(1).normal(-3, 1, (10, 9))
    for direct, by_autograd in zip(
        log_density(model, topologies, x), length_density._by_autograd(model, topologies, x), strict=True
    ):
        assert direct == pytest.approx(by_autograd, rel=1e-12)


def test_the_value_alone_is_the_same():
    _, model, _ = example()
    topologies, x = all_topologies(6)[:10], np.random.default_rng(2).normal(-3, 1, (10, 9))
    np.testing.assert_allclose(
        log_density_value(model, topologies, x), log_density(model, topologies, x)[0], rtol=1e-12
    )
