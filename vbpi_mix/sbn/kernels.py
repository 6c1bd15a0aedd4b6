"""Compiled kernels of subsplit Bayesian networks: log q of topologies over all rootings, and its derivative.

Legend: A components, M evaluated ones, T trees, N taxa, E = 2N-3 edges; entries and segments as in
`support.segments`, nodes and edges as in `phylo.topology`. Tuples that travel together:

* `tables`: (segment_of_entry, pointer, entries) of the support's `Segments`;
* `trees`: (children, split_ids, tripartition_ids, adjacency_ids) of `EncodedTopologies`; an id of -1 is an item that
  the support lacks: its log-probability is -inf and it gets no gradient;
* `offsets`: (first PSP entry, first adjacency entry).

`values` (A, n_params) are logits and `log_norm` (A, n_segments) the logarithms of their segments' sums of exponentials,
NaN where not computed yet: only segments that the trees touch are ever normalised. Tables that are normalised
already come with a `log_norm` of zeros.

What a tree uses lies side by side in one vector of 9N-21 numbers: E rootsplits, three pairs per internal node (seen
from its first child, its second child, from above), four per internal edge (m = 0..3 of `support.segments`).
"""

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.support.hashing import Id


@kernel()
def tree_entries(trees: tuple[np.ndarray, ...], offsets: tuple[int, int], tree: int, used: np.ndarray) -> None:
    """`used` (9N-21,): the entries of all rootings of one tree, -1 where the support lacks one."""
    _, splits, tripartitions, adjacencies = trees
    n_edges, n_inner = splits.shape[1], tripartitions.shape[1]
    for edge in range(n_edges):
        used[edge] = splits[tree, edge]
    for i in range(n_inner):
        first = offsets[0] + 3 * tripartitions[tree, i]
        for k in range(3):
            used[n_edges + 3 * i + k] = first + k if tripartitions[tree, i] >= 0 else -1
    start = n_edges + 3 * n_inner
    for i in range(n_inner - 1):
        first = offsets[1] + 4 * adjacencies[tree, i]
        for m in range(4):
            used[start + 4 * i + m] = first + m if adjacencies[tree, i] >= 0 else -1


@kernel(inner=True)
def log_sum_exp(values: np.ndarray, a: int, entries: np.ndarray, start: Id, stop: Id) -> float:
    """log sum exp of `values[a, entries[start:stop]]`; the value itself where there is one."""
    largest = values[a, entries[start]]
    if stop == start + 1:
        return float(largest)
    for i in range(start + 1, stop):
        largest = max(largest, values[a, entries[i]])
    total = 0.0
    for i in range(start, stop):
        total += math.exp(values[a, entries[i]] - largest)
    return float(largest + math.log(total))


@kernel(inner=True)
def gather(
    values: np.ndarray,
    log_norm: np.ndarray,
    a: int,
    segment_of_entry: np.ndarray,
    pointer: np.ndarray,
    entries: np.ndarray,
    used: np.ndarray,
    logs: np.ndarray,
) -> None:
    """`logs`: the normalised log-probabilities of the used entries, normalising segments where needed."""
    for i in range(len(used)):
        entry = used[i]
        if entry < 0:
            logs[i] = -np.inf
            continue
        segment = segment_of_entry[entry]
        norm = log_norm[a, segment]
        if math.isnan(norm):
            norm = log_sum_exp(values, a, entries, pointer[segment], pointer[segment + 1])
            log_norm[a, segment] = norm
        logs[i] = values[a, entry] - norm


@kernel(inner=True)
def root_everywhere(
    children: np.ndarray, tree: int, logs: np.ndarray, below: np.ndarray, above: np.ndarray, shares: np.ndarray
) -> float:
    """log q of one tree, in two passes over its nodes.

    Arguments:
        children: (T, N-2, 2); `tree` is the row meant.
        tree: 0..T-1.
        logs: see `gather`.
        below: (2N-2,) scratch, log-probability of everything below a node given the subsplit there; zero at tips.
        above: (2N-2,) scratch, the same for everything beyond a node's parent, seen from the node.
        shares: (E,) result, posterior probability of each rooting; zeros if q is zero.
    """
    n_inner = children.shape[1]
    n_taxa = n_inner + 2
    top = 2 * n_taxa - 3
    pairs, internal = top, top + 3 * n_inner - 4 * n_taxa  # where node i's four start: internal + 4 i
    for i in range(n_inner):
        total = 0.0
        for side in range(2):
            child = children[tree, i, side]
            if child >= n_taxa:
                total += logs[internal + 4 * child] + below[child]
        below[n_taxa + i] = total
    above[top] = 0.0
    shares[0] = logs[0] + below[top] + logs[pairs + 3 * n_inner - 1]
    largest = shares[0]
    for i in range(n_inner - 1, -1, -1):
        node = n_taxa + i
        for side in range(2):
            child, other = children[tree, i, side], children[tree, i, 1 - side]
            total = above[node] + (logs[internal + 4 * node + 2 + side] if node != top else 0.0)
            if other >= n_taxa:
                total += logs[internal + 4 * other + 1] + below[other]
            above[child] = total
            total += logs[child] + logs[pairs + 3 * i + side]
            if child >= n_taxa:
                total += below[child] + logs[pairs + 3 * (child - n_taxa) + 2]
            shares[child] = total
            largest = max(largest, total)
    if largest == -np.inf:
        shares[:] = 0.0
        return -np.inf
    total = 0.0
    for edge in range(top):
        shares[edge] = math.exp(shares[edge] - largest)
        total += shares[edge]
    for edge in range(top):
        shares[edge] /= total
    return float(largest + math.log(total))


@kernel()
def usage(
    children: np.ndarray, tree: int, shares: np.ndarray, inside: np.ndarray, outside: np.ndarray, used: np.ndarray
) -> None:
    """The derivative of log q in the log-probability of every used entry: the share of rootings that use it.

    Arguments:
        children: (T, N-2, 2); `tree` is the row meant.
        tree: 0..T-1.
        shares: (E,) posterior probabilities of the rootings.
        inside: (2N-2,) scratch, share of the edges below and above a node.
        outside: (2N-2,) scratch, share of all edges but those below a node.
        used: (9N-21,) result, in the order of `tree_entries`.
    """
    n_inner = children.shape[1]
    n_taxa = n_inner + 2
    top = 2 * n_taxa - 3
    pairs, internal = top, top + 3 * n_inner - 4 * n_taxa
    for edge in range(top):
        used[edge] = shares[edge]
        inside[edge] = shares[edge]
    for i in range(n_inner - 1):
        inside[n_taxa + i] += inside[children[tree, i, 0]] + inside[children[tree, i, 1]]
    outside[top] = shares[0]
    for i in range(n_inner - 1, -1, -1):
        node = n_taxa + i
        used[pairs + 3 * i + 2] = shares[node if node != top else 0]
        for side in range(2):
            child, other = children[tree, i, side], children[tree, i, 1 - side]
            used[pairs + 3 * i + side] = shares[child]
            if child >= n_taxa:
                outside[child] = outside[node] + inside[other] + shares[child]
                used[internal + 4 * child] = outside[node]
                used[internal + 4 * child + 1] = inside[other]
                used[internal + 4 * child + 2] = inside[children[tree, child - n_taxa, 0]]
                used[internal + 4 * child + 3] = inside[children[tree, child - n_taxa, 1]]


@kernel()
def log_q(
    values: np.ndarray,
    log_norm: np.ndarray,
    tables: tuple[np.ndarray, ...],
    trees: tuple[np.ndarray, ...],
    offsets: tuple[int, int],
    components: np.ndarray,
    result: np.ndarray,
    shares: np.ndarray,
) -> None:
    """`result` (M, T) and the rootings' `shares` (M, T, E) for the given components (M,)."""
    segment_of_entry, pointer, entries = tables
    children = trees[0]
    n_taxa = children.shape[1] + 2
    used = np.empty(9 * n_taxa - 21, dtype=np.int64)
    logs = np.empty(len(used))
    below, above = np.zeros(2 * n_taxa - 2), np.empty(2 * n_taxa - 2)
    for tree in range(len(children)):
        tree_entries(trees, offsets, tree, used)
        for m in range(len(components)):
            gather(values, log_norm, components[m], segment_of_entry, pointer, entries, used, logs)
            result[m, tree] = root_everywhere(children, tree, logs, below, above, shares[m, tree])


@kernel()
def log_q_vjp(
    values: np.ndarray,
    log_norm: np.ndarray,
    tables: tuple[np.ndarray, ...],
    trees: tuple[np.ndarray, ...],
    offsets: tuple[int, int],
    components: np.ndarray,
    shares: np.ndarray,
    upstream: np.ndarray,
    normalised: bool,
    gradient: np.ndarray,
) -> None:
    """Add the derivative of sum(upstream * log q) in `values` to `gradient` (A, n_params).

    `shares` (M, T, E) are those of `log_q`: zeros where log q is -inf, so such trees get no gradient. With
    `normalised`, `values` are log-probabilities themselves, not logits.
    """
    children = trees[0]
    n_taxa = children.shape[1] + 2
    used = np.empty(9 * n_taxa - 21, dtype=np.int64)
    amounts = np.empty(len(used))
    inside, outside = np.empty(2 * n_taxa - 2), np.empty(2 * n_taxa - 2)
    for tree in range(len(children)):
        tree_entries(trees, offsets, tree, used)
        for m in range(len(components)):
            weight, a = upstream[m, tree], components[m]
            if weight == 0.0 or not shares[m, tree].any():
                continue
            usage(children, tree, shares[m, tree], inside, outside, amounts)
            for i in range(len(used)):
                if used[i] >= 0:
                    gradient[a, used[i]] += weight * amounts[i]
    if not normalised:
        log_softmax_vjp(values, log_norm, tables, gradient)


@kernel()
def log_softmax_vjp(values: np.ndarray, log_norm: np.ndarray, tables: tuple[np.ndarray, ...], out: np.ndarray) -> None:
    """Turn the derivative in log-probabilities, `out` (A, n_params), into that in the logits.

    Segments that were never normalised (NaN in `log_norm`) are taken to have a derivative of zero.
    """
    _, pointer, entries = tables
    for a in range(len(values)):
        for segment in range(len(pointer) - 1):
            norm = log_norm[a, segment]
            if math.isnan(norm):
                continue
            start, stop = pointer[segment], pointer[segment + 1]
            if stop == start + 1:
                out[a, entries[start]] = 0.0
                continue
            total = 0.0
            for i in range(start, stop):
                total += out[a, entries[i]]
            if total != 0.0:
                for i in range(start, stop):
                    out[a, entries[i]] -= math.exp(values[a, entries[i]] - norm) * total


@kernel()
def log_softmax(values: np.ndarray, log_norm: np.ndarray, tables: tuple[np.ndarray, ...], out: np.ndarray) -> None:
    """Normalise all segments of all components: `log_norm` (A, n_segments), `out` (A, n_params)."""
    segment_of_entry, pointer, entries = tables
    for a in range(len(values)):
        for segment in range(len(pointer) - 1):
            log_norm[a, segment] = log_sum_exp(values, a, entries, pointer[segment], pointer[segment + 1])
        for entry in range(values.shape[1]):
            out[a, entry] = values[a, entry] - log_norm[a, segment_of_entry[entry]]
