"""log q of topologies under many components at once, and its derivative: the components are the innermost loop.

Legend: A components, M evaluated ones, T trees, N taxa, E = 2N-3 edges, R = n_params entries. Tables are stored with
the components last, (R, A), so that what a tree uses is contiguous for all of them. Only segments that the trees
touch are normalised; their entries are numbered anew, 0..n_local-1, and everything after that works on these.
`tables`, `trees` and `offsets` are those of `sbn.kernels`.
"""

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.row_table import slot_of
from vbpi_mix.sbn.kernels import tree_entries

_TO_INTEGER = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer
_POWERS = 2.0 ** -np.arange(1023.0)
_CERTAIN = -2  # local number of entries alone in their segment; -1 is that of entries that the support lacks


@kernel()
def number_entries(
    tables: tuple[np.ndarray, ...], trees: tuple[np.ndarray, ...], offsets: tuple[int, int], smallest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries that the trees use, numbered anew.

    Arguments:
        tables: see above.
        trees: see above.
        offsets: see above.
        smallest: segments of fewer entries are certain: 2 for logits, 1 for tables that need not be normalised.

    Returns:
        (T, 9N-21) local numbers of the used entries, -1 for missing ones and -2 for certain ones; (n_local,) the
        entries; (n_touched + 1,) where each touched segment begins among them.
    """
    segment_of_entry, pointer, entries = tables
    n_trees, n_taxa = trees[0].shape[0], trees[0].shape[1] + 2
    used = np.empty((n_trees, 9 * n_taxa - 21), dtype=np.int64)
    local_of_entry = np.full(len(entries), _CERTAIN, dtype=np.int32)
    begins = np.empty(len(pointer), dtype=np.int64)
    local = np.empty(len(entries), dtype=np.int64)
    n_touched, n_local = 0, 0
    for t in range(n_trees):
        tree_entries(trees, offsets, t, used[t])
        for i in range(used.shape[1]):
            entry = used[t, i]
            if entry < 0:
                continue
            segment = segment_of_entry[entry]
            if pointer[segment + 1] - pointer[segment] >= smallest and local_of_entry[entry] < 0:
                begins[n_touched] = n_local
                n_touched += 1
                for k in range(pointer[segment], pointer[segment + 1]):
                    local_of_entry[entries[k]] = n_local
                    local[n_local] = entries[k]
                    n_local += 1
            used[t, i] = local_of_entry[entry]
    begins[n_touched] = n_local
    return used, local[:n_local].copy(), begins[: n_touched + 1].copy()


@kernel()
def exponentials(source: np.ndarray, largest: np.ndarray, out: np.ndarray, total: np.ndarray) -> None:
    """`out` (M,) = exp(source - largest) of differences <= 0, to 2 units in the last place; added to `total`.

    Written so that compilers vectorise it, which they do not do with the library's function: x = k log 2 + r with
    |r| <= log(2) / 2, a Taylor polynomial of r (remainder below 1e-17) times a power of two. Zero below -708.
    """
    for m in range(len(out)):
        x = source[m] - largest[m]
        y = x if x > -708.0 else -708.0
        k = (y * 1.4426950408889634 + _TO_INTEGER) - _TO_INTEGER
        r = (y - k * 0.693145751953125) - k * 1.4286068203094172e-06
        p = 1.0 / 6227020800
        p = p * r + 1.0 / 479001600
        p = p * r + 1.0 / 39916800
        p = p * r + 1.0 / 3628800
        p = p * r + 1.0 / 362880
        p = p * r + 1.0 / 40320
        p = p * r + 1.0 / 5040
        p = p * r + 1.0 / 720
        p = p * r + 1.0 / 120
        p = p * r + 1.0 / 24
        p = p * r + 1.0 / 6
        p = p * r + 0.5
        p = p * r + 1.0
        p = p * r + 1.0
        p *= _POWERS[np.uint64(np.int64(-k))]
        out[m] = p if x > -708.0 else 0.0
        total[m] += out[m]


@kernel()
def normalise(
    values: np.ndarray, components: np.ndarray, local: np.ndarray, begins: np.ndarray, normalised: bool,
    logs: np.ndarray, shares: np.ndarray,
) -> None:  # fmt: skip
    """`logs` (n_local, M) log-probabilities of the local entries and `shares` (n_local, M), their exponentials.

    Arguments:
        values: (R, A) logits, or log-probabilities if `normalised`; `shares` are then left alone.
        components: (M,).
        local: see `number_entries`.
        begins: see `number_entries`.
        normalised: whether the values are log-probabilities.
        logs: result.
        shares: result.
    """
    n = len(components)
    largest, total = np.empty(n), np.empty(n)
    whole = n == values.shape[1] and (components == np.arange(n)).all()
    for s in range(len(begins) - 1):
        for i in range(begins[s], begins[s + 1]):
            if whole:
                for m in range(n):
                    logs[i, m] = values[local[i], m]
            else:
                for m in range(n):
                    logs[i, m] = values[local[i], components[m]]
        if normalised:
            continue
        for m in range(n):
            largest[m] = logs[begins[s], m]
        for i in range(begins[s] + 1, begins[s + 1]):
            for m in range(n):
                largest[m] = max(largest[m], logs[i, m])
        total[:] = 0.0
        for i in range(begins[s], begins[s + 1]):
            exponentials(logs[i], largest, shares[i], total)
        for m in range(n):
            largest[m] += math.log(total[m])
            total[m] = 1.0 / total[m]
        for i in range(begins[s], begins[s + 1]):
            for m in range(n):
                logs[i, m] -= largest[m]
                shares[i, m] *= total[m]


@kernel()
def log_q(children: np.ndarray, used: np.ndarray, logs: np.ndarray, result: np.ndarray, rootings: np.ndarray) -> None:
    """`result` (M, T), and `rootings` (T, E, M) the posterior probability of each rooting (zeros if q is zero).

    The two passes are those of `kernels.root_everywhere`.

    Arguments:
        children: (T, N-2, 2).
        used: see `number_entries`.
        logs: see `normalise`.
        result: (M, T).
        rootings: (T, E, M).
    """
    n_trees, n_inner = children.shape[:2]
    n = logs.shape[1]
    n_taxa = n_inner + 2
    top = 2 * n_taxa - 3
    pairs, internal = top, top + 3 * n_inner - 4 * n_taxa
    below, above = np.zeros((2 * n_taxa - 2, n)), np.empty((2 * n_taxa - 2, n))
    own = np.empty((used.shape[1], n))
    largest, total = np.empty(n), np.empty(n)
    for t in range(n_trees):
        for i in range(used.shape[1]):
            if used[t, i] >= 0:
                own[i] = logs[used[t, i]]
            else:
                own[i] = 0.0 if used[t, i] == _CERTAIN else -np.inf
        for i in range(n_inner):
            below[n_taxa + i] = 0.0
            for side in range(2):
                child = children[t, i, side]
                if child >= n_taxa:
                    for m in range(n):
                        below[n_taxa + i, m] += own[internal + 4 * child, m] + below[child, m]
        above[top] = 0.0
        q = rootings[t]
        for m in range(n):
            q[0, m] = own[0, m] + below[top, m] + own[pairs + 3 * n_inner - 1, m]
            largest[m] = q[0, m]
        for i in range(n_inner - 1, -1, -1):
            node = n_taxa + i
            for side in range(2):
                child, other = children[t, i, side], children[t, i, 1 - side]
                pair = pairs + 3 * i + side
                for m in range(n):
                    x = above[node, m]
                    if node != top:
                        x += own[internal + 4 * node + 2 + side, m]
                    if other >= n_taxa:
                        x += own[internal + 4 * other + 1, m] + below[other, m]
                    above[child, m] = x
                    x += own[child, m] + own[pair, m]
                    if child >= n_taxa:
                        x += below[child, m] + own[pairs + 3 * (child - n_taxa) + 2, m]
                    q[child, m] = x
                    largest[m] = max(largest[m], x)
        for m in range(n):
            result[m, t] = largest[m]
            if largest[m] == -np.inf:
                largest[m] = 0.0  # all terms then are exp(-inf) = 0
        total[:] = 0.0
        for edge in range(top):
            exponentials(q[edge], largest, q[edge], total)
        for m in range(n):
            if total[m] > 0.0:
                result[m, t] = largest[m] + math.log(total[m])
                total[m] = 1.0 / total[m]
        for edge in range(top):
            for m in range(n):
                q[edge, m] *= total[m]


@kernel()
def log_q_vjp(
    children: np.ndarray, used: np.ndarray, local: np.ndarray, begins: np.ndarray, shares: np.ndarray,
    rootings: np.ndarray, components: np.ndarray, upstream: np.ndarray, normalised: bool,
    amounts: np.ndarray, gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:  # fmt: skip
    """Add the derivative of sum(upstream * log q), upstream (M, T), to `gradient` (`RowGradient.arrays`).

    Rows are entries, columns components. The shares of rootings that use an entry are those of `kernels.usage`.
    `amounts` (n_local, M) is scratch; the other arguments are those of the forward functions.
    """
    n_trees, n_inner = children.shape[:2]
    n = len(components)
    n_taxa = n_inner + 2
    top = 2 * n_taxa - 3
    pairs, internal = top, top + 3 * n_inner - 4 * n_taxa
    inside, outside = np.empty((top, n)), np.empty((top + 1, n))
    amounts[:] = 0.0
    weight, part = np.empty(n), np.empty(n)
    for t in range(n_trees):
        part[:] = 0.0
        for edge in range(top):
            for m in range(n):
                part[m] += rootings[t, edge, m]
        for m in range(n):  # whatever comes from above, a tree without a rooting has no gradient
            weight[m] = upstream[m, t] if part[m] > 0.0 else 0.0
        if not weight.any():
            continue
        for edge in range(top):
            for m in range(n):
                inside[edge, m] = weight[m] * rootings[t, edge, m]
            _add(amounts, used[t, edge], inside[edge])
        outside[top] = inside[0]
        _add(amounts, used[t, pairs + 3 * n_inner - 1], inside[0])
        for i in range(n_inner):
            node = n_taxa + i
            if node != top:
                _add(amounts, used[t, pairs + 3 * i + 2], inside[node])  # the rooting on the node's own edge
            for side in range(2):
                child = children[t, i, side]
                if child < n_taxa:
                    _add(amounts, used[t, pairs + 3 * i + side], inside[child])
                else:
                    for m in range(n):
                        part[m] = weight[m] * rootings[t, child, m]
                    _add(amounts, used[t, pairs + 3 * i + side], part)
            if node != top:
                for side in range(2):
                    for m in range(n):
                        inside[node, m] += inside[children[t, i, side], m]
        for i in range(n_inner - 1, -1, -1):
            node = n_taxa + i
            for side in range(2):
                child, other = children[t, i, side], children[t, i, 1 - side]
                if child >= n_taxa:
                    for m in range(n):
                        outside[child, m] = outside[node, m] + inside[other, m] + weight[m] * rootings[t, child, m]
                    first = internal + 4 * child
                    _add(amounts, used[t, first], outside[node])
                    _add(amounts, used[t, first + 1], inside[other])
                    _add(amounts, used[t, first + 2], inside[children[t, child - n_taxa, 0]])
                    _add(amounts, used[t, first + 3], inside[children[t, child - n_taxa, 1]])
    if not normalised:
        for s in range(len(begins) - 1):
            weight[:] = 0.0
            for i in range(begins[s], begins[s + 1]):
                for m in range(n):
                    weight[m] += amounts[i, m]
            for i in range(begins[s], begins[s + 1]):
                for m in range(n):
                    amounts[i, m] -= shares[i, m] * weight[m]
    values = gradient[0]
    for i in range(len(local)):
        slot = slot_of(local[i], gradient)
        for m in range(n):
            values[slot, components[m]] += amounts[i, m]


@kernel(inline=True)
def _add(amounts: np.ndarray, entry: int, part: np.ndarray) -> None:
    if entry >= 0:
        for m in range(len(part)):
            amounts[entry, m] += part[m]
