"""A tree that changes in place, with its messages."""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from typing import NamedTuple

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.wide_products import ROWS, four_rows_of_small_product
from vbpi_mix.felsenstein.local.crossing import Source, cross_message, join, tabulate_tip_edge
from vbpi_mix.felsenstein.local.messages import Blocks, Scratch, Spectra, make_scratch, tabulate_edge
from vbpi_mix.felsenstein.local.rows import BLOCK

N_SPARE = 24  # messages that are not those of a node: intermediate results


class MovingTree(NamedTuple):
    """A tree that hangs from taxon 0; nodes N..2N-3 are internal, in any order.

    Arguments:
        kids: (2N-2, 2) int32 children.
        up: (2N-2,) int32 parents; 0 for the top node, -1 for taxon 0.
        lengths: (2N-2,) of the edge above each node; that of taxon 0 stands at the top node.
        clades: (2N-2,) uint64 hash of the taxa below, exclusive or of the taxa's keys.
        sizes: (2N-2,) int32 number of taxa below.
        top: (1,) the node next to taxon 0.
    """

    kids: np.ndarray
    up: np.ndarray
    lengths: np.ndarray
    clades: np.ndarray
    sizes: np.ndarray
    top: np.ndarray


class Messages(NamedTuple):
    """Messages D and U of a tree and what they are made of, see `messages`.

    Arguments:
        rows: ((5 (2N-2) + spare) n_rows, width * BLOCK): D of every node, U of every node (`row_up`), others, those
            around a pruned clade; D and U of every node at the other end of its edge, see `crossed_down` and
            `crossed_up`.
        down: (2N-2, n, width^2) transition matrices of the edge above each node.
        across: (2N-2, n, width^2) their transposes.
        scale_d, scale_u: (2N-2,) logarithms of what D and U were divided by in all, summed over the sites.
        fresh_d, fresh_u: (2N-2,) whether D and U at the other end are those of the present rows and matrices. Whoever
            changes a row or a matrix sets it to False.
        matrices: (6, n, width^2) room for other matrices.
        taxon: (N,) whose states each tip has: another taxon than its number says where the tree hangs from another.
        scratch: see `messages.Scratch`.
    """

    rows: np.ndarray
    down: np.ndarray
    across: np.ndarray
    scale_d: np.ndarray
    scale_u: np.ndarray
    fresh_d: np.ndarray
    fresh_u: np.ndarray
    matrices: np.ndarray
    taxon: np.ndarray
    scratch: Scratch


def make_messages(n_taxa: int, n_rows: int, n_categories: int, width: int = 4, n_codes: int = 0) -> Messages:
    """Room for the messages of a tree.

    Arguments:
        n_taxa: N.
        n_rows: rows of one message.
        n_categories: rate categories of all parts of the alignment.
        width: states of the part that has most, filled up to a multiple of four.
        n_codes: columns of `Blocks.sets`.
    """
    n_nodes, size = 2 * n_taxa - 2, width * width
    return Messages(
        rows=np.zeros(((5 * n_nodes + N_SPARE) * n_rows, width * BLOCK)),
        down=np.zeros((n_nodes, n_categories, size)),
        across=np.zeros((n_nodes, n_categories, size)),
        scale_d=np.zeros(n_nodes),
        scale_u=np.zeros(n_nodes),
        fresh_d=np.zeros(n_nodes, np.bool_),
        fresh_u=np.zeros(n_nodes, np.bool_),
        matrices=np.zeros((6, n_categories, size)),
        taxon=np.arange(n_taxa),
        scratch=make_scratch(n_categories, width, n_codes),
    )


@kernel(inner=True, fastmath=True)
def _wide_matrix(
    left: np.ndarray, right: np.ndarray, values: np.ndarray, length: float, width: int, scaled: np.ndarray,
    down: np.ndarray, across: np.ndarray,
) -> None:  # fmt: skip
    """(width^2,) transition matrix of one length, and its transpose; `scaled` is overwritten."""
    for k in range(width):
        factor = np.expm1(values[k] * length)
        of_value = right[k]
        for j in range(width):
            scaled[k * width + j] = factor * of_value[j]
    stride = left.shape[1]
    for i in range(0, width, ROWS):
        four_rows_of_small_product(left, i * stride, stride, 1, width, scaled, down, i, width)
    for i in range(width):
        down[i * width + i] += 1.0
        for j in range(width):
            p = max(down[i * width + j], 0.0)
            down[i * width + j] = p
            across[j * width + i] = p


@kernel(inner=True, allocates=True)
def both_matrices(spectra: Spectra, blocks: Blocks, length: float, down: np.ndarray, across: np.ndarray) -> None:
    """(n, width^2) transition matrices of one length, and their transposes."""
    for part in range(len(spectra.left)):
        left, right = spectra.left[part], spectra.right[part]
        width = blocks.widths[part]
        if width != 4:
            scaled = np.empty(width * width)
            for c in range(blocks.first_category[part], blocks.first_category[part + 1]):
                _wide_matrix(left, right, spectra.values[c], length, width, scaled, down[c], across[c])
            continue
        for c in range(blocks.first_category[part], blocks.first_category[part + 1]):
            e0 = np.expm1(spectra.values[c, 0] * length)
            e1 = np.expm1(spectra.values[c, 1] * length)
            e2 = np.expm1(spectra.values[c, 2] * length)
            for i in range(4):
                a, b, d = left[i, 0] * e0, left[i, 1] * e1, left[i, 2] * e2
                for j in range(4):
                    p = a * right[0, j] + b * right[1, j] + d * right[2, j]
                    if i == j:
                        p += 1.0
                    p = max(p, 0.0)  # a probability of zero may come out as -1e-17
                    down[c, 4 * i + j] = p
                    across[c, 4 * j + i] = p


@kernel()
def set_tips(states: np.ndarray, blocks: Blocks, rows: np.ndarray) -> None:
    """Write D of the tips from (B, N, BLOCK) state sets."""
    n_rows = len(blocks.category)
    n_patterns = states.shape[2]
    for i in range(len(blocks.part)):
        for r in range(blocks.first_row[i], blocks.first_row[i + 1]):
            for tip in range(states.shape[1]):
                row = rows[tip * n_rows + r]
                for p in range(n_patterns):
                    state = np.uint64(states[i, tip, p])
                    for s in range(blocks.width[i]):
                        allowed = (state >> np.uint64(s)) & np.uint64(1)
                        row[s * n_patterns + p] = 1.0 if allowed == np.uint64(1) else 0.0


@kernel(inner=True)
def set_matrices(work: Messages, spectra: Spectra, blocks: Blocks, node: int, length: float) -> None:
    """Transition matrices of the edge above a node."""
    both_matrices(spectra, blocks, length, work.down[node], work.across[node])
    work.fresh_d[node] = work.fresh_u[node] = False


@kernel(inner=True)
def row_up(work: Messages, node: int, n: int) -> int:
    """First row of U of a node, of n rows each. Tips share one, which is needed only while a walk is there."""
    return (len(work.fresh_u) + (node if node >= len(work.taxon) else 0)) * n


@kernel(inner=True)
def source_below(work: Messages, node: int, n: int) -> Source:
    """D of a node."""
    taxon = work.taxon[node] if node < len(work.taxon) else -1
    return Source(node * n, work.down[node], taxon)


@kernel(inner=True)
def source_above(work: Messages, node: int, n: int) -> Source:
    """U of a node that is no tip."""
    return Source(row_up(work, node, n), work.across[node], -1)


@kernel(inner=True)
def crossed_down(work: Messages, node: int, blocks: Blocks) -> int:
    """First row of P D, D of a node at the upper end of its edge; made if need be."""
    n, n_nodes = len(blocks.category), len(work.fresh_d)
    out = (3 * n_nodes + N_SPARE + node) * n
    if not work.fresh_d[node]:
        cross_message(work.rows, source_below(work, node, n), out, blocks, work.scratch)
        work.fresh_d[node] = True
    return out


@kernel(inner=True)
def crossed_up(work: Messages, node: int, blocks: Blocks) -> int:
    """First row of P^T U, U of a node at the lower end of its edge; made if need be."""
    n, n_nodes = len(blocks.category), len(work.fresh_u)
    out = (4 * n_nodes + N_SPARE + node) * n
    if not work.fresh_u[node]:
        cross_message(work.rows, source_above(work, node, n), out, blocks, work.scratch)
        work.fresh_u[node] = True
    return out


@kernel(inner=True)
def tabulate_edge_above(work: Messages, node: int, out: int, spectra: Spectra, blocks: Blocks) -> None:
    """The table of the edge above a node whose messages D and U are right."""
    n = len(blocks.category)
    u = row_up(work, node, n)
    if node < len(work.taxon):
        tabulate_tip_edge(work.rows, u, source_below(work, node, n), out, spectra, blocks, work.scratch)
    else:
        tabulate_edge(work.rows, u, node * n, out, spectra, blocks)


@kernel(inner=True)
def update_down(tree: MovingTree, work: Messages, node: int, blocks: Blocks) -> None:
    """D of a node from those of its children."""
    n = len(blocks.category)
    a, b = tree.kids[node, 0], tree.kids[node, 1]
    of_a, of_b = source_below(work, a, n), source_below(work, b, n)
    scale = join(work.rows, of_a, of_b, node * n, blocks, work.scratch)
    work.scale_d[node] = scale + work.scale_d[a] + work.scale_d[b]
    work.fresh_d[node] = False


@kernel(inner=True)
def update_up(tree: MovingTree, work: Messages, node: int, blocks: Blocks) -> None:
    """U of a node that is not the top, from those of its parent and D of its sibling."""
    n = len(blocks.category)
    above = tree.up[node]
    sibling = tree.kids[above, 0] if tree.kids[above, 1] == node else tree.kids[above, 1]
    from_above, beside = source_above(work, above, n), source_below(work, sibling, n)
    scale = join(work.rows, from_above, beside, row_up(work, node, n), blocks, work.scratch)
    work.scale_u[node] = scale + work.scale_u[above] + work.scale_d[sibling]
    work.fresh_u[node] = False


@kernel(inner=True)
def set_root(tree: MovingTree, work: Messages, spectra: Spectra, blocks: Blocks) -> None:
    """U of the top node: the states of taxon 0 times the root frequencies."""
    n, top = len(blocks.category), tree.top[0]
    for i in range(len(blocks.part)):
        for r in range(blocks.first_row[i], blocks.first_row[i + 1]):
            source, out = work.rows[r], work.rows[row_up(work, top, n) + r]
            for s in range(blocks.width[i]):
                frequency = spectra.frequencies[blocks.part[i], s]
                for p in range(s * BLOCK, (s + 1) * BLOCK):
                    out[p] = frequency * source[p]
    work.scale_u[top] = 0.0
    work.fresh_u[top] = False


@kernel()
def set_messages(tree: MovingTree, work: Messages, spectra: Spectra, blocks: Blocks, order: np.ndarray) -> None:
    """All matrices and all D, and U of the top node; fills `order` (2N-3,) with the nodes, parents first."""
    n_taxa = (len(tree.up) + 2) // 2
    order[0] = tree.top[0]
    count = 1
    for i in range(2 * n_taxa - 3):
        node = order[i]
        set_matrices(work, spectra, blocks, node, tree.lengths[node])
        if node >= n_taxa:
            order[count], order[count + 1] = tree.kids[node, 0], tree.kids[node, 1]
            count += 2
    for i in range(2 * n_taxa - 4, -1, -1):
        node = order[i]
        if node >= n_taxa:
            a, b = tree.kids[node, 0], tree.kids[node, 1]
            tree.clades[node] = tree.clades[a] ^ tree.clades[b]
            tree.sizes[node] = tree.sizes[a] + tree.sizes[b]
            update_down(tree, work, node, blocks)
        else:
            work.scale_d[node] = 0.0
    set_root(tree, work, spectra, blocks)


@kernel(inner=True)
def put_in_place(tree: MovingTree, above: int, old: int, new: int) -> None:
    """Let `new` be the child of `above` where `old` was; with above = 0 it becomes the top node."""
    tree.up[new] = above
    if above == 0:
        tree.top[0] = new
    elif tree.kids[above, 0] == old:
        tree.kids[above, 0] = new
    else:
        tree.kids[above, 1] = new


@kernel(inner=True)
def hang_from(tree: MovingTree, work: Messages, taxon: int, n_rows: int) -> None:
    """Let a tree hang from another taxon, which changes numbers with taxon 0; done again, it is as it was.

    Messages and matrices, but for D of the tips, have to be set anew; clades and sizes, too.
    """
    if taxon == 0:
        return
    for r in range(n_rows):
        one, other = work.rows[r], work.rows[taxon * n_rows + r]
        for p in range(len(one)):
            one[p], other[p] = other[p], one[p]
    work.taxon[0], work.taxon[taxon] = work.taxon[taxon], work.taxon[0]
    child, above, length = taxon, 0, tree.lengths[taxon]
    node = tree.up[taxon]
    tree.top[0] = node
    while True:
        before, own = tree.up[node], tree.lengths[node]
        slot = 0 if tree.kids[node, 0] == child else 1
        tree.kids[node, slot] = before if before != 0 else taxon
        tree.up[node], tree.lengths[node] = above, length
        if before == 0:
            tree.up[taxon], tree.lengths[taxon] = node, own
            return
        child = above = node
        node, length = before, own
