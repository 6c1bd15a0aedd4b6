import numpy as np

from vbpi_mix.posterior.accumulate import GroupTable


def test_chunks_add_up_to_the_whole():
    generator = np.random.default_rng(1)
    keys = generator.integers(0, 6, (500, 2)).astype(np.uint64)
    terms = generator.random((500, 3))
    table = GroupTable(2, 3, fewest_waiting=10)  # so that it merges on the way
    for rows in np.array_split(np.arange(500), 37):
        table.add(keys[rows], terms[rows], rows)
    found, sums, first = table.result()
    assert len(found) == len(np.unique(keys, axis=0))
    for key, total, position in zip(found, sums, first, strict=True):
        same = (keys == key).all(axis=1)
        np.testing.assert_allclose(total, terms[same].sum(axis=0))
        assert position == np.flatnonzero(same)[0]


def test_an_empty_table():
    keys, sums, first = GroupTable(2, 3).result()
    assert keys.shape == (0, 2)
    assert sums.shape == (0, 3)
    assert first.shape == (0,)
