"""Blocks of a tree in the making: inner edges between a clade and clades below it that stay as they are."""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import numpy as np

from vbpi_mix.anneal.reference_kernels import Reference, find, subsplit_key
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.tree import MovingTree

MOST = 64  # inner edges of a block


class Redraws(NamedTuple):
    """What blocks are drawn from.

    Arguments:
        reference: densities of splits and lengths; its share of unseen splits is not used.
        first, number: (n,) for each place of `reference.clades`: splits of the clade, as positions in the other arrays.
        cumulative: (S,) probability of a split and of those of the same clade before it.
        parts: (S, 2) uint64 hashes of the two parts.
        sizes: (S, 2) numbers of taxa.
    """

    reference: Reference
    first: np.ndarray
    number: np.ndarray
    cumulative: np.ndarray
    parts: np.ndarray
    sizes: np.ndarray


class Block(NamedTuple):
    """Room for a block in the making.

    Arguments:
        clades, sizes: (MOST,) of the new inner nodes, those above first.
        above, slot: (MOST,) position of a node's parent among them, -1 for C, and which child it is.
        nodes: (MOST,) the present inner nodes between C and the clades that stay, those above first.
        lengths: (MOST,) new lengths.
        kept: (MOST + 1,) nodes of the clades that stay, ...
        kept_above, kept_slot: (MOST + 1,) ... and where they go.
        below: (2N - 2,) nodes below C.
        stays: (2N - 2,) which nodes of the whole tree stay.
        old_kids: (MOST + 1, 2), old_up: (MOST,), old_clades: (MOST,), old_sizes: (MOST,), old_lengths: (MOST,) of
            `nodes`, the last of `old_kids` of C.
        old_kept_up: (MOST + 1,) of `kept`.
    """

    clades: np.ndarray
    sizes: np.ndarray
    above: np.ndarray
    slot: np.ndarray
    nodes: np.ndarray
    lengths: np.ndarray
    kept: np.ndarray
    kept_above: np.ndarray
    kept_slot: np.ndarray
    below: np.ndarray
    stays: np.ndarray
    old_kids: np.ndarray
    old_up: np.ndarray
    old_clades: np.ndarray
    old_sizes: np.ndarray
    old_lengths: np.ndarray
    old_kept_up: np.ndarray


@kernel(inner=True, allocates=True)
def room_for_block(n_nodes: int) -> Block:
    whole, more = np.zeros((6, MOST), np.int64), np.zeros((4, MOST + 1), np.int64)
    hashes, reals = np.zeros((2, MOST), np.uint64), np.zeros((2, MOST))
    return Block(
        hashes[0], whole[0], whole[1], whole[2], whole[3], reals[0], more[0], more[1], more[2],
        np.zeros(n_nodes, np.int64), np.zeros(n_nodes, np.bool_), np.zeros((MOST + 1, 2), np.int64), whole[4],
        hashes[1], whole[5], reals[1], more[3],
    )  # fmt: skip


@kernel(inner=True)
def _drawn_split(redraws: Redraws, clade: np.uint64, generator: np.random.Generator) -> int:
    """Position of a split of a clade, drawn by its probability; -1 for a clade of which nothing is known."""
    place = find(redraws.reference.clades, clade)
    if place < 0 or redraws.number[place] == 0:
        return -1
    low, high = redraws.first[place], redraws.first[place] + redraws.number[place] - 1
    part = generator.random() * redraws.cumulative[high]
    while low < high:
        middle = (low + high) // 2
        if redraws.cumulative[middle] > part:
            high = middle
        else:
            low = middle + 1
    return low


@kernel(inner=True)
def _log_share(reference: Reference, first: np.uint64, second: np.uint64) -> float:
    """Log probability that a clade splits in these two, -inf where that was never seen."""
    place = find(reference.subsplits, subsplit_key(first, second))
    if place < 0 or reference.shares[place] <= 0.0:
        return -math.inf
    return math.log(reference.shares[place])


@kernel(inner=True)
def draw_block(
    tree: MovingTree, redraws: Redraws, node: int, block: Block, generator: np.random.Generator
) -> tuple[int, float]:
    """Draw the splits of a new block at a node's clade.

    Returns:
        number of inner nodes below the clade itself, log probability; -1 for none: it is the old one, it is too large,
        or the way back is impossible.
    """
    reference = redraws.reference
    n_taxa = (len(tree.up) + 2) // 2
    split = _drawn_split(redraws, tree.clades[node], generator)
    if split < 0:
        return -1, 0.0
    one, other = tree.clades[tree.kids[node, 0]], tree.clades[tree.kids[node, 1]]
    if redraws.parts[split, 0] == one or redraws.parts[split, 0] == other:
        return -1, 0.0
    log_back = _log_share(reference, one, other)
    if log_back == -math.inf:
        return -1, 0.0
    below = block.below
    below[0], below[1] = tree.kids[node, 0], tree.kids[node, 1]
    n_below, i = 2, 0
    while i < n_below:
        inside = below[i]
        i += 1
        block.stays[inside] = False
        if inside >= n_taxa:
            below[n_below], below[n_below + 1] = tree.kids[inside, 0], tree.kids[inside, 1]
            n_below += 2
    n_new = n_kept = 0
    current = -1  # the node whose parts are looked at
    log_there = 0.0
    while True:
        log_there += _log_share(reference, redraws.parts[split, 0], redraws.parts[split, 1])
        for side in range(2):
            clade = redraws.parts[split, side]
            found = -1
            for j in range(n_below):
                if tree.clades[below[j]] == clade:
                    found = below[j]
                    break
            if found >= 0:
                block.kept[n_kept], block.kept_above[n_kept], block.kept_slot[n_kept] = found, current, side
                block.stays[found] = True
                n_kept += 1
            else:
                if n_new == MOST:
                    return -1, 0.0
                block.clades[n_new], block.sizes[n_new] = clade, redraws.sizes[split, side]
                block.above[n_new], block.slot[n_new] = current, side
                n_new += 1
        current += 1
        if current == n_new:
            break
        split = _drawn_split(redraws, block.clades[current], generator)
        if split < 0:
            return -1, 0.0
    n_old = 0
    for side in range(2):
        if not block.stays[tree.kids[node, side]]:
            if n_old == n_new:
                return -1, 0.0
            block.nodes[n_old] = tree.kids[node, side]
            n_old += 1
    i = 0
    while i < n_old:
        inside = block.nodes[i]
        i += 1
        first, second = tree.kids[inside, 0], tree.kids[inside, 1]
        log_back += _log_share(reference, tree.clades[first], tree.clades[second])
        for side in range(2):
            if not block.stays[tree.kids[inside, side]]:
                if n_old == n_new or tree.kids[inside, side] < n_taxa:
                    return -1, 0.0
                block.nodes[n_old] = tree.kids[inside, side]
                n_old += 1
    if n_old != n_new or log_back == -math.inf:
        return -1, 0.0
    return n_new, log_there - log_back


@kernel(inner=True)
def put_block(tree: MovingTree, node: int, block: Block, n: int) -> None:
    """Put the new block in the place of the old one, which is written down."""
    block.old_kids[MOST, 0], block.old_kids[MOST, 1] = tree.kids[node, 0], tree.kids[node, 1]
    for i in range(n):
        at = block.nodes[i]
        block.old_kids[i, 0], block.old_kids[i, 1] = tree.kids[at, 0], tree.kids[at, 1]
        block.old_up[i], block.old_clades[i] = tree.up[at], tree.clades[at]
        block.old_sizes[i], block.old_lengths[i] = tree.sizes[at], tree.lengths[at]
    for i in range(n):
        at = block.nodes[i]
        above = node if block.above[i] < 0 else block.nodes[block.above[i]]
        tree.kids[above, block.slot[i]], tree.up[at] = at, above
        tree.clades[at], tree.sizes[at], tree.lengths[at] = block.clades[i], block.sizes[i], block.lengths[i]
    for i in range(n + 2):
        at = block.kept[i]
        above = node if block.kept_above[i] < 0 else block.nodes[block.kept_above[i]]
        block.old_kept_up[i] = tree.up[at]
        tree.kids[above, block.kept_slot[i]], tree.up[at] = at, above


@kernel(inner=True)
def put_block_back(tree: MovingTree, node: int, block: Block, n: int) -> None:
    """Undo `put_block`."""
    tree.kids[node, 0], tree.kids[node, 1] = block.old_kids[MOST, 0], block.old_kids[MOST, 1]
    for i in range(n):
        at = block.nodes[i]
        tree.kids[at, 0], tree.kids[at, 1] = block.old_kids[i, 0], block.old_kids[i, 1]
        tree.up[at], tree.clades[at] = block.old_up[i], block.old_clades[i]
        tree.sizes[at], tree.lengths[at] = block.old_sizes[i], block.old_lengths[i]
    for i in range(n + 2):
        tree.up[block.kept[i]] = block.old_kept_up[i]
