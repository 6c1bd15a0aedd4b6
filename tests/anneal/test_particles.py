import numpy as np

from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.phylo import all_topologies


def particles(rows):
    """Of which every number says the row."""
    numbers = np.asarray(rows, dtype=float)
    return Particles(
        topologies=all_topologies(5)[np.asarray(rows)],
        log_lengths=np.tile(numbers[:, None], (1, 7)),
        coordinates=np.tile(10 * numbers[:, None], (1, 2)),
        log_likelihood=-numbers,
    )


def assert_equal(found, rows):
    expected = particles(rows)
    np.testing.assert_array_equal(found.topologies.children, expected.topologies.children)
    for name in ("log_lengths", "coordinates", "log_likelihood"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_taking_rows_some_of_them_twice():
    assert_equal(particles([3, 1, 4, 1, 5]).take(np.array([4, 0, 0])), [5, 3, 3])
    assert len(particles([3, 1]).take(np.arange(0))) == 0


def test_joined_particles_stand_in_the_order_of_their_parts():
    assert_equal(join_particles([particles([2, 7]), particles([4]).take(np.arange(0)), particles([1])]), [2, 7, 1])
