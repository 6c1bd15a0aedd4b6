"""A normalised density of trees that changes by a few terms when a tree changes in one place.

Topologies follow a conditional clade distribution, rooted at taxon 0: every clade splits in two independently of the
rest of the tree. A share `floor` of each conditional distribution is that of a uniform topology, so no topology is
impossible; all of it for clades that were never seen. Branch lengths are gamma variables, with shape and rate by clade.

References:
    Larget, The estimation of tree posterior probabilities using conditional clade probability distributions,
    Systematic Biology 62, 2013.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import numpy as np

from vbpi_mix.compiled import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
ODD = np.uint64(0xD6E8FEB86659FD93)
_EMPTY = np.uint64(0)


class Reference(NamedTuple):
    """The density, by hashes of clades (exclusive or of random keys of their taxa).

    Arguments:
        clades: (n,) hash table, n a power of two: keys, 0 where empty.
        lengths: (n, 2) shape and rate of the gamma density of the length of each clade's edge.
        subsplits: (m,) hash table: keys of a clade split in two, see `subsplit_key`.
        shares: (m,) probability of the split given the clade.
        log_counts: (N + 1,) log (2 k - 3)!!, rooted topologies of k taxa; (1,) where all topologies are alike.
        unseen: (2,) shape and rate of the edges of unseen clades.
        floor: (n,) share of the uniform distribution for each clade.
    """

    clades: np.ndarray
    lengths: np.ndarray
    subsplits: np.ndarray
    shares: np.ndarray
    log_counts: np.ndarray
    unseen: np.ndarray
    floor: np.ndarray


@kernel(inner=True)
def subsplit_key(first: np.uint64, second: np.uint64) -> np.uint64:
    """The same for both orders of two clades."""
    return (first * second) ^ ((first ^ second) * ODD)


def subsplit_keys(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`subsplit_key` of arrays."""
    with np.errstate(over="ignore"):
        return (first * second) ^ ((first ^ second) * ODD)


@kernel(inner=True)
def find(keys: np.ndarray, key: np.uint64) -> int:
    """Place of a key in a hash table, or -1 - (the place where it belongs)."""
    mask = np.uint64(len(keys) - 1)
    place = ((key * _GOLDEN) >> np.uint64(20)) & mask
    while keys[place] != _EMPTY:
        if keys[place] == key:
            return np.int64(place)
        place = (place + np.uint64(1)) & mask
    return -1 - np.int64(place)


@kernel(inner=True)
def log_subsplit(reference: Reference, first: np.uint64, second: np.uint64, size_first: int, size_second: int) -> float:
    """log probability that the union of two clades splits into them; 0 where all topologies are alike.

    Sizes are not looked at then: regrafts, which such a density allows, do not keep them.
    """
    counts = reference.log_counts
    if len(counts) == 1:
        return 0.0
    uniform = math.exp(counts[size_first] + counts[size_second] - counts[size_first + size_second])
    whole = find(reference.clades, first ^ second)
    if whole < 0:
        return math.log(uniform)
    place = find(reference.subsplits, subsplit_key(first, second))
    share = reference.shares[place] if place >= 0 else 0.0
    floor = reference.floor[whole]
    return math.log((1.0 - floor) * share + floor * uniform)


@kernel(inner=True)
def length_row(reference: Reference, clade: np.uint64) -> tuple[float, float]:
    """Shape and rate of the length of a clade's edge."""
    place = find(reference.clades, clade)
    if place < 0:
        return reference.unseen[0], reference.unseen[1]
    return reference.lengths[place, 0], reference.lengths[place, 1]


@kernel(inner=True)
def gamma_constant(shape: float, rate: float) -> float:
    """Constant that shape x - rate exp(x), x = log t, lacks to be the log density of x."""
    return shape * math.log(rate) - math.lgamma(shape)


@kernel()
def describe_trees(
    reference: Reference, children: np.ndarray, keys: np.ndarray, values: np.ndarray, shapes: np.ndarray,
    rates: np.ndarray,
) -> None:  # fmt: skip
    """`describe_tree` of T trees, children (T, N-2, 2), into values (T,), shapes and rates (T, E)."""
    for t in range(len(children)):
        values[t] = describe_tree(reference, children[t], keys, shapes[t], rates[t])


@kernel(inner=True, allocates=True)
def describe_tree(
    reference: Reference, children: np.ndarray, keys: np.ndarray, shapes: np.ndarray, rates: np.ndarray
) -> float:
    """Log probability of a topology; (E,) shapes and rates of the lengths of its edges.

    Arguments:
        reference: the density.
        children: (N-2, 2), see `phylo.topology`.
        keys: (N,) of the taxa.
        shapes: (E,) output.
        rates: (E,) output.
    """
    n_taxa = len(keys)
    clades = np.empty(2 * n_taxa - 2, np.uint64)
    sizes = np.ones(2 * n_taxa - 2, np.int64)
    value = 0.0
    for node in range(2 * n_taxa - 2):
        if node < n_taxa:
            clades[node] = keys[node]
        else:
            a, b = children[node - n_taxa, 0], children[node - n_taxa, 1]
            clades[node], sizes[node] = clades[a] ^ clades[b], sizes[a] + sizes[b]
            value += log_subsplit(reference, clades[a], clades[b], sizes[a], sizes[b])
        edge = node if node < 2 * n_taxa - 3 else 0
        if node > 0:
            shapes[edge], rates[edge] = length_row(reference, clades[node])
    return value


@kernel()
def find_all(keys: np.ndarray, wanted: np.ndarray, places: np.ndarray) -> None:
    """Places of keys in a hash table, see `find`."""
    for i in range(len(wanted)):
        places[i] = find(keys, wanted[i])


@kernel()
def fill_table(keys: np.ndarray, new: np.ndarray, places: np.ndarray) -> None:
    """Enter distinct keys into a hash table with room; `places` gets where they are."""
    for i in range(len(new)):
        place = find(keys, new[i])
        if place < 0:
            place = -1 - place
            keys[place] = new[i]
        places[i] = place
