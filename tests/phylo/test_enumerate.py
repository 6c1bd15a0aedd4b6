import math

import numpy as np
import pytest

from tests.statistics import assert_frequencies
from vbpi_mix.errors import InputError
from vbpi_mix.phylo.enumerate import all_topologies, log_n_topologies, random_topologies


@pytest.mark.parametrize(("n_taxa", "count"), [(3, 1), (4, 3), (5, 15), (6, 105), (7, 945)])
def test_all_topologies_are_there_once(n_taxa, count):
    batch = all_topologies(n_taxa)
    assert batch.n_trees == count
    assert batch.unique()[0].n_trees == count
    assert batch.n_taxa == n_taxa
    assert log_n_topologies(n_taxa) == pytest.approx(math.log(count), abs=1e-12)


@pytest.mark.parametrize(("n_taxa", "log_count"), [(27, 73.145), (29, 81.048), (41, 131.257), (64, 237.203)])
def test_log_count_of_the_benchmark_alignments(n_taxa, log_count):
    """log (2N-5)!! of DS1, DS2, DS4 and DS8, by the factorials (2N-4)! / (2^(N-2) (N-2)!)."""
    assert log_n_topologies(n_taxa) == pytest.approx(log_count, abs=5e-4)
    exact = math.lgamma(2 * n_taxa - 3) - (n_taxa - 2) * math.log(2) - math.lgamma(n_taxa - 1)
    assert log_n_topologies(n_taxa) == pytest.approx(exact)


@pytest.mark.parametrize("n_taxa", [2, 10])
def test_out_of_range(n_taxa):
    with pytest.raises(InputError, match="3 to 9"):
        all_topologies(n_taxa)


@pytest.mark.parametrize("n_taxa", [4, 5, 6])
def test_random_topologies_are_uniform(n_taxa):
    pool = all_topologies(n_taxa)
    at = {row.tobytes(): i for i, row in enumerate(pool.children)}
    drawn = random_topologies(6000, n_taxa, np.random.default_rng(n_taxa))
    counts = np.bincount([at[row.tobytes()] for row in drawn.children], minlength=len(at))
    assert_frequencies(counts, np.full(len(at), 1 / len(at)))


def test_equal_seeds_give_equal_topologies():
    a, b = (random_topologies(4, 80, np.random.default_rng(1)).children for _ in range(2))
    np.testing.assert_array_equal(a, b)
