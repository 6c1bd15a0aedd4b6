"""All nearest-neighbour interchanges of a tree, each with the five edges round the change at their best lengths.

With D and U of every node at hand, a neighbour costs a few tables of single edges, however large the tree is. The four
subtrees and the centre of an inner edge are optimised in turn by Newton's method in the log lengths.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.edges import EdgePrior, edge_density, find_mode
from vbpi_mix.felsenstein.local.messages import Blocks, Scratch, Spectra, cross, tabulate, tabulate_edge
from vbpi_mix.felsenstein.local.rows import BLOCK
from vbpi_mix.felsenstein.local.tree import Messages, MovingTree, both_matrices, row_up, set_messages, update_up
from vbpi_mix.felsenstein.local.wide_rows import apply_flat, multiply_into, product


@kernel()
def score_interchanges(
    tree: MovingTree, work: Messages, spectra: Spectra, blocks: Blocks, prior: EdgePrior, scores: np.ndarray,
    lengths: np.ndarray, sweeps: int,
) -> None:  # fmt: skip
    """Log densities of all interchanges, five edges at their best.

    The density is that of `start.lengths`: log-likelihood, prior of the lengths and the Jacobian of the log lengths.

    Arguments:
        tree: tree, which is not changed.
        work: messages, with D of the tips; all others are overwritten.
        spectra: the models.
        blocks: blocks of the patterns.
        prior: prior of the branch lengths.
        scores: (2N-2, 2) output at inner nodes but the top: sibling swapped with the first child, with the second.
        lengths: (2N-2, 2, 5) output: log lengths of the node's edge, then of sibling, first child, second child and
            parent as they stand before the swap.
        sweeps: over the four outer edges; the centre is optimised before each and at the end.
    """
    n, n_nodes = len(blocks.category), len(tree.up)
    n_taxa = (n_nodes + 2) // 2
    order = np.empty(n_nodes, np.int64)
    set_messages(tree, work, spectra, blocks, order)
    for i in range(1, 2 * n_taxa - 3):
        if order[i] >= n_taxa:
            update_up(tree, work, order[i], blocks)
    total = fixed = 0.0
    for i in range(2 * n_taxa - 3):
        node = order[i]
        length = tree.lengths[node]
        total += length
        power = prior.tip if node < n_taxa or node == tree.top[0] else prior.inner
        fixed += (power + 1.0) * math.log(length)
    for i in range(1, 2 * n_taxa - 3):
        node = order[i]
        if node < n_taxa:
            continue
        above = tree.up[node]
        around = np.empty(5, np.int64)
        around[0], around[4] = node, above
        around[1] = tree.kids[above, 0] if tree.kids[above, 1] == node else tree.kids[above, 1]
        around[2], around[3] = tree.kids[node, 0], tree.kids[node, 1]
        outside, elsewhere = total, fixed
        scale = work.scale_u[above] + work.scale_d[around[1]] + work.scale_d[around[2]] + work.scale_d[around[3]]
        powers = np.empty(5)
        for j in range(5):
            length = tree.lengths[around[j]]
            at_tip = around[j] < n_taxa or around[j] == tree.top[0]
            powers[j] = prior.tip if at_tip else prior.inner
            outside -= length
            elsewhere -= (powers[j] + 1.0) * math.log(length)
        for way in range(2):
            _optimise(
                tree, work, spectra, blocks, prior, around, powers, way + 1, outside, n, lengths[node, way], sweeps
            )
            x = lengths[node, way]
            rest = outside
            value = elsewhere + scale
            for j in range(1, 5):
                rest += math.exp(x[j])
                value += (powers[j] + 1.0) * x[j] - prior.rate * math.exp(x[j])
            value += edge_density(
                work.rows, (2 * n_nodes + 4) * n, x[0], powers[0], prior, rest, 1.0, 0.0, 0.0, spectra, blocks,
                work.scratch,
            )  # fmt: skip
            scores[node, way] = value - prior.rate * outside


@kernel(inner=True)
def _optimise(
    tree: MovingTree, work: Messages, spectra: Spectra, blocks: Blocks, prior: EdgePrior, around: np.ndarray,
    powers: np.ndarray, way: int, outside: float, n: int, x: np.ndarray, sweeps: int,
) -> None:  # fmt: skip
    """Log lengths (5,) of the edges round a node in one arrangement; leaves the table of the centre behind."""
    rows, scratch = work.rows, work.scratch
    n_nodes = len(tree.up)
    spare = 2 * n_nodes * n
    # crossed messages: 0 sibling, 1 and 2 children, 3 parent; 5 and 6 are room for what meets an edge
    meet, table = spare + 5 * n, spare + 4 * n
    for j in range(5):
        x[j] = math.log(tree.lengths[around[j]])
    for j in range(1, 4):
        cross(rows, around[j] * n, spare + (j - 1) * n, work.down[around[j]], blocks)
    cross(rows, row_up(work, around[4], n), spare + 3 * n, work.across[around[4]], blocks)
    upper = way + 1  # who is beside the parent: the first child or the second
    first, second = 1, 5 - upper
    down, across = work.matrices[2], work.matrices[3]
    for sweep in range(sweeps + 1):
        tabulate(rows, spare + 3 * n, spare + (upper - 1) * n, spare + (first - 1) * n, spare + (second - 1) * n,
                 table, spectra, blocks, scratch)  # fmt: skip
        rest = outside + math.exp(x[1]) + math.exp(x[2]) + math.exp(x[3]) + math.exp(x[4])
        x[0], _ = find_mode(rows, table, x[0], powers[0], prior, rest, 1.0, 0.0, 0.0, spectra, blocks, scratch)
        if sweep == sweeps:
            break
        both_matrices(spectra, blocks, math.exp(x[0]), down, across)
        for j in range(1, 5):
            # the message from the rest of the five at the inner end of edge j
            if j == upper:
                _meet(
                    rows, spare + (first - 1) * n, spare + (second - 1) * n, down, spare + 3 * n, meet, blocks, scratch
                )
            elif j == 4:
                _meet(
                    rows, spare + (first - 1) * n, spare + (second - 1) * n, down, spare + (upper - 1) * n, meet,
                    blocks, scratch,
                )  # fmt: skip
            else:
                other = second if j == first else first
                _meet(
                    rows, spare + 3 * n, spare + (upper - 1) * n, across, spare + (other - 1) * n, meet, blocks, scratch
                )
            if j == 4:
                tabulate_edge(rows, row_up(work, around[4], n), meet, spare + 6 * n, spectra, blocks)
            else:
                tabulate_edge(rows, meet, around[j] * n, spare + 6 * n, spectra, blocks)
            rest = outside - math.exp(x[j])
            for k in range(5):
                rest += math.exp(x[k])
            x[j], _ = find_mode(
                rows, spare + 6 * n, x[j], powers[j], prior, rest, 1.0, 0.0, 0.0, spectra, blocks, scratch
            )
            both_matrices(spectra, blocks, math.exp(x[j]), work.matrices[4], work.matrices[5])
            if j == 4:
                cross(rows, row_up(work, around[4], n), spare + 3 * n, work.matrices[5], blocks)
            else:
                cross(rows, around[j] * n, spare + (j - 1) * n, work.matrices[4], blocks)


@kernel(inner=True)
def _meet(rows: np.ndarray, a: int, b: int, m: np.ndarray, c: int, out: int, blocks: Blocks, scratch: Scratch) -> None:
    """Row by row: `out` = (M (a b)) c."""
    category = blocks.category
    if rows.shape[1] != 4 * BLOCK:
        for i in range(len(blocks.width)):
            width = blocks.width[i]
            for r in range(blocks.first_row[i], blocks.first_row[i + 1]):
                product(rows[a + r], rows[b + r], scratch.wide[0], width * BLOCK)
                apply_flat(m[category[r]], width, width, scratch.wide[0], rows[out + r])
                multiply_into(rows[out + r], rows[c + r], width * BLOCK)
        return
    for r in range(len(category)):
        p, q, o = rows[a + r], rows[b + r], rows[out + r]
        for i in range(len(o)):
            o[i] = p[i] * q[i]
    for r in range(len(category)):
        _cross_in_place(rows, rows, out + r, c + r, m, category[r])


@kernel(inner=True, fastmath=True)
def _cross_in_place(rows: np.ndarray, rows_c: np.ndarray, row: int, factor: int, m: np.ndarray, category: int) -> None:
    a, f = rows[row], rows_c[factor]
    width = BLOCK
    m00, m01, m02, m03 = m[category, 0], m[category, 1], m[category, 2], m[category, 3]
    m10, m11, m12, m13 = m[category, 4], m[category, 5], m[category, 6], m[category, 7]
    m20, m21, m22, m23 = m[category, 8], m[category, 9], m[category, 10], m[category, 11]
    m30, m31, m32, m33 = m[category, 12], m[category, 13], m[category, 14], m[category, 15]
    for p in range(width):
        a0, a1, a2, a3 = a[p], a[width + p], a[2 * width + p], a[3 * width + p]
        a[p] = f[p] * ((m00 * a0 + m01 * a1) + (m02 * a2 + m03 * a3))
        a[width + p] = f[width + p] * ((m10 * a0 + m11 * a1) + (m12 * a2 + m13 * a3))
        a[2 * width + p] = f[2 * width + p] * ((m20 * a0 + m21 * a1) + (m22 * a2 + m23 * a3))
        a[3 * width + p] = f[3 * width + p] * ((m30 * a0 + m31 * a1) + (m32 * a2 + m33 * a3))
