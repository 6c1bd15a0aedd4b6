"""Exact hash tables of fixed-width integer keys, in compiled code.

A table is two arrays: `keys (capacity, W)` uint64, whose first rows are the distinct keys in the order in which
they came, and `slots (power of two)` int32, open addressing with linear probing, -1 where empty. Keys are compared
word by word, so two different keys never share a number.
"""

from typing import Any, TypeAlias

import numpy as np

from vbpi_mix.compiled import kernel

Id: TypeAlias = Any  # an integer; type checkers cannot tell the elements of arrays from arrays

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)


def empty_slots(capacity: int) -> np.ndarray:
    """Slots for `capacity` keys, at most half full."""
    return np.full(1 << max(int(2 * capacity - 1).bit_length(), 4), -1, dtype=np.int32)


def filled_slots(keys: np.ndarray, count: int, capacity: int) -> np.ndarray:
    """Slots for `capacity` keys that hold the first `count` rows of `keys`."""
    slots = empty_slots(capacity)
    _fill(slots, keys, count)
    return slots


def pack(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """(n, 1) uint64 keys of pairs of ids below 2^32."""
    return ((high.astype(np.uint64) << _HALF) | low.astype(np.uint64)).reshape(-1, 1)


@kernel()
def pack_pair(high: Id, low: Id) -> np.uint64:
    """The key of one pair, see `pack`."""
    return (np.uint64(high) << np.uint64(32)) | np.uint64(low)


@kernel(inner=True)
def probe(slots: np.ndarray, keys: np.ndarray, key: np.ndarray) -> Id:
    """The position in `slots` where `key` is, or the empty one where it belongs."""
    mixed = np.uint64(0)
    for word in key:
        # splitmix64's finaliser, chained over the words
        mixed = (mixed ^ word) + _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        mixed = mixed ^ (mixed >> np.uint64(31))
    mask = len(slots) - 1
    position = np.int64(mixed & np.uint64(mask))
    while True:
        row = slots[position]
        if row < 0:
            return position
        same = True
        for w in range(len(key)):
            if keys[row, w] != key[w]:
                same = False
                break
        if same:
            return position
        position = (position + 1) & mask


@kernel()
def find(slots: np.ndarray, keys: np.ndarray, key: np.ndarray) -> Id:
    """The number of `key`, -1 if it is not in the table."""
    return slots[probe(slots, keys, key)]


@kernel()
def intern(slots: np.ndarray, keys: np.ndarray, counts: np.ndarray, table: int, key: np.ndarray) -> Id:
    """The number of `key`, entered at the end if it is new; `counts[table]` is the number of keys so far."""
    position = probe(slots, keys, key)
    row = slots[position]
    if row < 0:
        row = np.int32(counts[table])
        slots[position] = row
        for w in range(len(key)):
            keys[row, w] = key[w]
        counts[table] += 1
    return row


@kernel()
def _fill(slots: np.ndarray, keys: np.ndarray, count: int) -> None:
    for row in range(count):
        slots[probe(slots, keys, keys[row])] = row


@kernel(inner=True)
def set_tips(single: np.ndarray, words: np.ndarray, split: np.ndarray) -> None:
    """Clades of the tips (N, W) into the first N rows of `words`, and the numbers of their splits into `split`."""
    for tip in range(len(single)):
        split[tip] = tip
        for w in range(single.shape[1]):
            words[tip, w] = single[tip, w]
