import numpy as np
import pytest

from tests.experiment.simulated import write_example
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import all_topologies, collect, site_patterns
from vbpi_mix.start import weigh_topologies
from vbpi_mix.start.keep_candidates import with_candidates


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    alignment = read_alignment(write_example(tmp_path_factory.mktemp("kept"))[0])
    model = PhyloModel(site_patterns(alignment), 6)
    candidates = collect(alignment.taxa, all_topologies(6))
    return model, candidates, weigh_topologies(model, candidates)


def test_weights_are_those_that_all_together_would_have(everything):
    model, candidates, full = everything
    few = weigh_topologies(model, collect(candidates.taxa, full.sample.topologies[:12]))
    kept = with_candidates(model, few, candidates)
    assert kept.sample.n_trees == 105
    assert kept.sample.weights.sum() == pytest.approx(1)
    place = {row.tobytes(): i for i, row in enumerate(kept.sample.topologies.children)}
    order = [place[row.tobytes()] for row in full.sample.topologies.children]
    p, q = full.sample.weights, kept.sample.weights[order]
    likely = p > 1e-8
    assert likely.sum() > 12
    np.testing.assert_allclose(np.log(q[likely]), np.log(p[likely]), atol=0.5)
    np.testing.assert_allclose(kept.modes.log_density[order][likely], full.modes.log_density[likely], atol=1e-3)
    assert (np.diff(kept.sample.weights) <= 0).all()


def test_nothing_lost_nothing_changed(everything):
    model, candidates, full = everything
    assert with_candidates(model, full, candidates) is full
