import numpy as np
import pytest

from tests.posterior.examples import made_up_draws, made_up_stream
from vbpi_mix.phylo import all_topologies
from vbpi_mix.posterior.export.annotated import summarise_stream
from vbpi_mix.posterior.export.topology_ranking import rank_topologies, topology_keys
from vbpi_mix.posterior.summaries import summarise_splits, summarise_topologies


@pytest.mark.parametrize("equal", [True, False])
def test_a_stream_in_chunks_is_summarised_as_the_draws_in_memory(equal):
    options = {"n_topologies": 9, "ratio": 0.6, "equal": equal}
    draws, stream = made_up_draws(**options), made_up_stream(**options, chunk_size=64)
    assert len(list(stream.read())) > 5
    whole, ranking = summarise_topologies(draws), rank_topologies(stream)
    np.testing.assert_allclose(ranking.probability, whole.probability)
    np.testing.assert_allclose(ranking.standard_error, whole.standard_error)
    np.testing.assert_array_equal(stream.take(ranking.first).topologies.children, whole.topologies.children)
    np.testing.assert_array_equal(ranking.ranks(whole.topologies), np.arange(1, 1 + whole.n_topologies))
    splits, expected = summarise_stream(stream), summarise_splits(draws)
    np.testing.assert_array_equal(splits.clades, expected.clades)
    for name in ("frequency", "standard_error", "mean_length", "length_sd", "pendant_mean_length", "pendant_length_sd"):
        np.testing.assert_allclose(getattr(splits, name), getattr(expected, name), rtol=1e-6, atol=1e-7)


def test_every_topology_has_a_key_of_its_own():
    for n_taxa in (4, 5, 6, 7):
        topologies = all_topologies(n_taxa)
        assert len(np.unique(topology_keys(topologies), axis=0)) == topologies.n_trees


def test_topologies_that_were_not_seen_have_no_rank():
    ranking = rank_topologies(made_up_stream(50, 6))
    assert (ranking.ranks(all_topologies(6)) == 0).sum() == 105 - ranking.n_topologies
