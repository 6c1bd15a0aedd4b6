import numpy as np

from tests.experiment.simulated import write_example
from vbpi_mix.evaluate.diagnostics.neighbours import neighbour_mass
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TreeSample, all_topologies, site_patterns
from vbpi_mix.phylo.neighbours import nni_neighbours
from vbpi_mix.start import weigh_topologies
from vbpi_mix.support import build_support


def weighed(tmp_path):
    alignment = read_alignment(write_example(tmp_path, n_sites=60)[0])
    model = PhyloModel(site_patterns(alignment), alignment.n_taxa)
    everything = all_topologies(alignment.n_taxa)
    sample = TreeSample(taxa=alignment.taxa, topologies=everything, weights=np.ones(len(everything)))
    return model, weigh_topologies(model, sample).sample


def test_nothing_is_missing_from_a_full_support(tmp_path):
    model, sample = weighed(tmp_path)
    found = neighbour_mass(model, build_support(sample.topologies), sample)
    assert (found.mass, found.n_outside) == (0.0, 0)


def test_the_mass_of_neighbours_left_out_is_found(tmp_path):
    """The best topology alone in the support: its neighbours weigh what they weigh in the list of all."""
    model, sample = weighed(tmp_path)
    support = build_support(sample.topologies[:1])
    alone = sample.head(1)
    found = neighbour_mass(model, support, alone)
    p = sample.probabilities()
    near = {row.tobytes() for row in nni_neighbours(sample.topologies[:1]).children}
    expected = sum(w for row, w in zip(sample.topologies.children, p, strict=True) if row.tobytes() in near)
    assert found.n_outside == len(near) == 2 * (6 - 3)
    np.testing.assert_allclose(found.mass, expected / (expected + p[0]), rtol=0.02)
    assert found.mass > 0.01
