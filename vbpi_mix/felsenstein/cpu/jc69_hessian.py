"""Compiled Hessians of the JC69 log-likelihood in the branch lengths.

With the letters of `jc69_gradient`, the derivative of a message in the length of its own edge is
-4/3 (m - sum(v) / 4). D_i, this without the factor -4/3 for edge i, is carried up the tree. For two edges,

    d^2 log L / ds dt = L_st / L - (L_s / L)(L_t / L).

With U, the outside message at the lower end of the edge above a node (times w / (4 L)):

* Edges i and j meet at the node, coming from different children: w L_ij / L is (4/3)^2 times 4 sum(U D_i D_j), a dot
  product over states and patterns. All edges on one side times all on the other is a product of matrices, of which
  the score term is a fifth row (with g = sqrt(w) L_i / L / (-4/3), the product g_i g_j).
* Edge i is below edge u above the node: w L_iu / L is (4/3)^2 (w L_i / L / (-4/3) - sum(U) sum(v_i)), where v_i is D_i
  times the message of the sibling; the first term is known from the gradient.

Edges are numbered by post-order with tips at their places, so that the edges below a node are neighbours, and the edge
above it is next; edge 0 counts as the one above the top node. A Hessian takes about E^2 / 2 dot products over four
states and all patterns.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.jc69_diagonal import edge_factors, inverses, upward_in_range
from vbpi_mix.felsenstein.cpu.jc69_gradient import BLOCK, SIZE, rescale_up
from vbpi_mix.felsenstein.cpu.scaling import rescaling

_R1, _R2, _R3, _R4 = BLOCK, 2 * BLOCK, 3 * BLOCK, 4 * BLOCK
_BUFFER_ROWS = 4


@kernel(inner=True, early=True, fastmath=True)
def send_down(
    out_u: np.ndarray, up_s: np.ndarray, out_c: np.ndarray, node: int, sibling: int, child: int, e: float, a: float
) -> None:
    """Outside message below the edge of a child, and in row 4 the sum over its states."""
    outside, message, out = out_u[node], up_s[sibling], out_c[child]
    for p in range(BLOCK):
        o0, o1 = outside[p] * message[p], outside[_R1 + p] * message[_R1 + p]
        o2, o3 = outside[_R2 + p] * message[_R2 + p], outside[_R3 + p] * message[_R3 + p]
        total = (o0 + o1) + (o2 + o3)
        rest = a * total
        out[p] = rest + e * o0
        out[_R1 + p] = rest + e * o1
        out[_R2 + p] = rest + e * o2
        out[_R3 + p] = rest + e * o3
        out[_R4 + p] = total


@kernel(inner=True, early=True, fastmath=True)
def top_outside(up: np.ndarray, out: np.ndarray, top: int) -> None:
    message, outside = up[top], out[top]
    for p in range(BLOCK):
        o0, o1, o2, o3 = message[p], message[_R1 + p], message[_R2 + p], message[_R3 + p]
        outside[p] = o0
        outside[_R1 + p] = o1
        outside[_R2 + p] = o2
        outside[_R3 + p] = o3
        outside[_R4 + p] = (o0 + o1) + (o2 + o3)


@kernel(inner=True, early=True, fastmath=True)
def _tangent(up_e: np.ndarray, out_e: np.ndarray, tangents: np.ndarray, node: int, position: int, root: np.ndarray,
             inverse_root: np.ndarray) -> tuple[float, float]:  # fmt: skip
    """D of the edge above a node, and g in row 4; returns the sums of w (1 - x / w) and of x (1 - x / w)."""
    message, outside, out = up_e[node], out_e[node], tangents[position]
    first = second = 0.0
    for p in range(BLOCK):
        quarter = 0.25 * message[_R4 + p]
        out[p] = message[p] - quarter
        out[_R1 + p] = message[_R1 + p] - quarter
        out[_R2 + p] = message[_R2 + p] - quarter
        out[_R3 + p] = message[_R3 + p] - quarter
        x = outside[_R4 + p] * message[_R4 + p]
        score = root[p] - x * inverse_root[p]
        out[_R4 + p] = score
        first += root[p] * score
        second += x * inverse_root[p] * score
    return first, second


@kernel(inner=True, early=True, fastmath=True)
def _top_score(up: np.ndarray, tangents: np.ndarray, position: int, root: np.ndarray,
               inverse_root: np.ndarray) -> tuple[float, float]:  # fmt: skip
    """As `_tangent` for edge 0, whose x stands in row 4 of tip 0 and whose D is not needed."""
    tip, out = up[0], tangents[position]
    first = second = 0.0
    for p in range(BLOCK):
        score = root[p] - tip[_R4 + p] * inverse_root[p]
        out[_R4 + p] = score
        first += root[p] * score
        second += tip[_R4 + p] * inverse_root[p] * score
    return first, second


@kernel(inner=True, early=True, fastmath=True)
def _weigh(out_u: np.ndarray, node: int, tangents: np.ndarray, i: int, buffer: np.ndarray, row: int) -> None:
    """buffer[row] = 4 U D_i, and -g_i in row 4."""
    outside, tangent, out = out_u[node], tangents[i], buffer[row]
    for p in range(_R4):
        out[p] = 4.0 * outside[p] * tangent[p]
    for p in range(_R4, SIZE):
        out[p] = -tangent[p]


@kernel(inner=True, early=True, fastmath=True)
def dots_4x2(buffer: np.ndarray, tangents: np.ndarray, j: int, k: int, out: np.ndarray) -> None:
    """out = products of the four rows of the buffer with tangents j and k."""
    r0, r1, r2, r3 = buffer[0], buffer[1], buffer[2], buffer[3]
    first, second = tangents[j], tangents[k]
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
    for p in range(len(first)):
        x, y = first[p], second[p]
        a0 += r0[p] * x
        a1 += r1[p] * x
        a2 += r2[p] * x
        a3 += r3[p] * x
        b0 += r0[p] * y
        b1 += r1[p] * y
        b2 += r2[p] * y
        b3 += r3[p] * y
    out[0, 0], out[1, 0], out[2, 0], out[3, 0] = a0, a1, a2, a3
    out[0, 1], out[1, 1], out[2, 1], out[3, 1] = b0, b1, b2, b3


@kernel(inner=True, early=True, fastmath=True)
def dots_1x4(buffer: np.ndarray, row: int, tangents: np.ndarray, j: int, last: int, out: np.ndarray) -> None:
    """out[0] = products of a row of the buffer with tangents j to j + 3, or `last` where that comes first."""
    r = buffer[row]
    t0, t1, t2, t3 = tangents[j], tangents[min(j + 1, last)], tangents[min(j + 2, last)], tangents[min(j + 3, last)]
    a = b = c = d = 0.0
    for p in range(len(t0)):
        x = r[p]
        a += x * t0[p]
        b += x * t1[p]
        c += x * t2[p]
        d += x * t3[p]
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = a, b, c, d


@kernel(inner=True)
def _cross(out: np.ndarray, node: int, tangents: np.ndarray, few: tuple[int, int], many: tuple[int, int],
           buffer: np.ndarray, products: np.ndarray, hessian: np.ndarray) -> None:  # fmt: skip
    """Add to the Hessian the pairs of one edge from each of two ranges of positions."""
    last = many[1] - 1
    for i in range(few[0], few[1], _BUFFER_ROWS):
        rows = min(_BUFFER_ROWS, few[1] - i)
        for row in range(rows):
            _weigh(out, node, tangents, i + row, buffer, row)
        if rows == _BUFFER_ROWS:
            for j in range(many[0], many[1], 2):
                dots_4x2(buffer, tangents, j, min(j + 1, last), products)
                for row in range(rows):
                    for column in range(min(2, many[1] - j)):
                        hessian[i + row, j + column] += products[row, column]
            continue
        for row in range(rows):
            for j in range(many[0], many[1], 4):
                dots_1x4(buffer, row, tangents, j, last, products)
                for column in range(min(4, many[1] - j)):
                    hessian[i + row, j + column] += products[0, column]


@kernel(inner=True, early=True, fastmath=True)
def _scaled_message(up: np.ndarray, node: int, other: int, scaled: bool, buffer: np.ndarray) -> None:
    """buffer[0] = message of a node, times the factor that its product with the message of `other` was given."""
    message, sibling, out = up[node], up[other], buffer[0]
    for p in range(BLOCK):
        m0, m1, m2, m3 = message[p], message[_R1 + p], message[_R2 + p], message[_R3 + p]
        factor = 1.0
        if scaled:
            factor, _ = rescaling(
                max(max(m0 * sibling[p], m1 * sibling[_R1 + p]), max(m2 * sibling[_R2 + p], m3 * sibling[_R3 + p]))
            )
        out[p] = m0 * factor
        out[_R1 + p] = m1 * factor
        out[_R2 + p] = m2 * factor
        out[_R3 + p] = m3 * factor


@kernel(inner=True, early=True, fastmath=True)
def _raise(
    tangents_i: np.ndarray, i: int, tangents_u: np.ndarray, u: int, out_u: np.ndarray, node: int, buffer: np.ndarray,
    e: float, a: float,
) -> float:  # fmt: skip
    """Carry D_i over the edge u above a node; returns sum(U) sum(v_i) + g_i g_u, summed over patterns."""
    tangent, above, outside, message = tangents_i[i], tangents_u[u], out_u[node], buffer[0]
    result = 0.0
    for p in range(BLOCK):
        v0, v1 = tangent[p] * message[p], tangent[_R1 + p] * message[_R1 + p]
        v2, v3 = tangent[_R2 + p] * message[_R2 + p], tangent[_R3 + p] * message[_R3 + p]
        total = (v0 + v1) + (v2 + v3)
        result += outside[_R4 + p] * total + tangent[_R4 + p] * above[_R4 + p]
        rest = a * total
        tangent[p] = rest + e * v0
        tangent[_R1 + p] = rest + e * v1
        tangent[_R2 + p] = rest + e * v2
        tangent[_R3 + p] = rest + e * v3
    return result


@kernel(inner=True)
def postorder_positions(children: np.ndarray, starts: np.ndarray, sizes: np.ndarray, edges: np.ndarray) -> None:
    """Number edges by post-order, tips at their places.

    Arguments:
        children: (N-2, 2) of one tree.
        starts: (2N-2,) output, first position of the edges at and below each node.
        sizes: (2N-2,) output, how many these are; the last of them is the node's own edge.
        edges: (E,) output, edge at each position.
    """
    n: int = children.shape[0] + 2
    for i in range(n):
        sizes[i] = 1
    for i in range(n - 2):
        sizes[n + i] = sizes[children[i, 0]] + sizes[children[i, 1]] + 1
    starts[2 * n - 3] = 0
    for i in range(n - 3, -1, -1):
        left: int = children[i, 0]
        right: int = children[i, 1]
        starts[left] = starts[n + i]
        starts[right] = starts[left] + sizes[left]
    for node in range(1, 2 * n - 2):
        edges[starts[node] + sizes[node] - 1] = node if node < 2 * n - 3 else 0


@kernel(inner=True)
def _outside(children: np.ndarray, e: np.ndarray, a: np.ndarray, up: np.ndarray, out: np.ndarray,
             scaled: bool) -> None:  # fmt: skip
    """Outside messages of all nodes, the messages upward left as they are.

    Scaled, rows 0 to 3 of an internal node get the factor of its partial likelihoods; row 4 does not.
    """
    n: int = children.shape[0] + 2
    top_outside(up, out, 2 * n - 3)
    for i in range(n - 3, -1, -1):
        left: int = children[i, 0]
        right: int = children[i, 1]
        if scaled and i < n - 3:
            rescale_up(out, up, up, n + i, left, right)
        send_down(out, up, out, n + i, right, left, e[left], a[left])
        send_down(out, up, out, n + i, left, right, e[right], a[right])


@kernel(inner=True)
def _add_block(children: np.ndarray, starts: np.ndarray, sizes: np.ndarray, e: np.ndarray, a: np.ndarray,
               up: np.ndarray, out: np.ndarray, tangents: np.ndarray, buffer: np.ndarray, products: np.ndarray,
               rows: np.ndarray, sums: np.ndarray, scaled: bool, hessian: np.ndarray) -> None:  # fmt: skip
    """Add every pair of edges once, on either side of the diagonal."""
    n: int = children.shape[0] + 2
    n_edges = 2 * n - 3
    for node in range(1, n_edges):
        position: int = starts[node] + sizes[node] - 1
        sums[position], own = _tangent(up, out, tangents, node, position, rows[1], rows[2])
        hessian[position, position] += own
    sums[n_edges - 1], own = _top_score(up, tangents, n_edges - 1, rows[1], rows[2])
    hessian[n_edges - 1, n_edges - 1] += own
    for i in range(n - 2):
        node = n + i
        left: int = children[i, 0]
        right: int = children[i, 1]
        few, many = (left, right) if sizes[left] < sizes[right] else (right, left)
        _cross(
            out, node, tangents, (starts[few], starts[few] + sizes[few]), (starts[many], starts[many] + sizes[many]),
            buffer, products, hessian,
        )  # fmt: skip
        above = 0 if i == n - 3 else node
        last: int = starts[node] + sizes[node] - 1
        for side in range(2):
            below, other = (left, right) if side == 0 else (right, left)
            _scaled_message(up, other, below, scaled and i < n - 3, buffer)
            for k in range(starts[below], starts[below] + sizes[below]):
                hessian[k, last] += sums[k] - _raise(tangents, k, tangents, last, out, node, buffer, e[above], a[above])


@kernel()
def hessian_kernel(
    lengths: np.ndarray,
    children: np.ndarray,
    states: np.ndarray,
    weights: np.ndarray,
    trees: tuple[int, int],
    blocks: tuple[int, int],
    up: np.ndarray,
    out: np.ndarray,
    tangents: np.ndarray,
    buffer: np.ndarray,
    values: np.ndarray,
    hessian: np.ndarray,
) -> None:
    """Log-likelihoods and Hessians in the branch lengths, of some trees on some blocks of patterns.

    Arguments:
        lengths: (T, E) branch lengths, finite and >= 0.
        children: (T, N-2, 2) int64, as in `phylo.TopologyBatch`.
        states: (B, N, BLOCK) uint8 state sets; the last block filled up with 15.
        weights: (B, BLOCK) float64 >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        up: (2N-1, SIZE) float64, as the following three overwritten.
        out: (2N-2, SIZE).
        tangents: (E, SIZE).
        buffer: (4, SIZE).
        values: (T,) output, written at `trees`; -inf where a site likelihood is zero.
        hessian: (T, E, E) output, likewise; without meaning where the value is -inf.
    """
    n = states.shape[1]
    n_edges = 2 * n - 3
    e = np.empty(n_edges)
    a = np.empty(n_edges)
    sums = np.empty(n_edges)
    steps = up[2 * n - 2][:BLOCK]
    rows = np.empty((3, BLOCK))
    products = np.empty((_BUFFER_ROWS, 4))
    starts = np.empty(2 * n - 2, dtype=np.int64)
    sizes = np.empty(2 * n - 2, dtype=np.int64)
    edges = np.empty(n_edges, dtype=np.int64)
    pairs = np.empty((n_edges, n_edges))
    for t in range(trees[0], trees[1]):
        edge_factors(lengths[t], e, a)
        postorder_positions(children[t], starts, sizes, edges)
        pairs[:] = 0.0
        values[t] = 0.0
        for b in range(blocks[0], blocks[1]):
            inverses(weights[b], rows[0], rows[1], rows[2])
            value, scaled = upward_in_range(children[t], states[b], weights[b], e, a, up, steps)
            values[t] += value
            if values[t] == -np.inf:
                break
            _outside(children[t], e, a, up, out, scaled)
            _add_block(children[t], starts, sizes, e, a, up, out, tangents, buffer, products, rows, sums, scaled, pairs)
        for i in range(n_edges):
            hessian[t, edges[i], edges[i]] = 16.0 / 9.0 * pairs[i, i]
            for j in range(i):
                entry = 16.0 / 9.0 * (pairs[i, j] + pairs[j, i])
                hessian[t, edges[i], edges[j]] = entry
                hessian[t, edges[j], edges[i]] = entry
