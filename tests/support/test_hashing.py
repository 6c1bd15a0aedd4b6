import numpy as np
import pytest

from vbpi_mix.support import hashing


@pytest.mark.parametrize("width", [1, 3])
def test_table_agrees_with_a_dictionary(width):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 40 if width == 1 else 4, size=(3000, width)).astype(np.uint64) << np.uint64(50)
    keys = np.empty((4000, width), dtype=np.uint64)
    slots, counts = hashing.empty_slots(4000), np.zeros(1, dtype=np.int64)
    known: dict[tuple, int] = {}
    for row in rows:
        number = hashing.intern(slots, keys, counts, 0, row)
        assert number == known.setdefault(tuple(row.tolist()), len(known))
    assert counts[0] == len(known)
    again = hashing.filled_slots(keys, len(known), 4000)
    for row, number in known.items():
        assert hashing.find(again, keys, np.array(row, dtype=np.uint64)) == number
    assert hashing.find(again, keys, np.full(width, 12345, dtype=np.uint64)) == -1


def test_full_table_still_ends_every_search():
    keys = np.arange(1000, dtype=np.uint64).reshape(-1, 1)
    slots = hashing.filled_slots(keys, 1000, 1000)
    assert (slots >= 0).sum() == 1000
    assert len(slots) >= 2000
    assert hashing.find(slots, keys, np.array([1000], dtype=np.uint64)) == -1


def test_packed_pairs_are_distinct():
    high, low = np.meshgrid(np.array([0, 1, 2**31 - 1]), np.array([0, 1, 2**31 - 1]))
    keys = hashing.pack(high.reshape(-1), low.reshape(-1))
    assert len(np.unique(keys)) == 9
    assert hashing.pack_pair(2**31 - 1, 1) == (2**31 - 1 << 32) + 1
