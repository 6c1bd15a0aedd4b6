"""Blocks of a tree drawn anew from a conditional clade distribution, the rest of the tree fixed.

A pass over the tree visits every clade C, those above first. At C the way it splits in two is drawn from the
distribution of its splits, then those of the parts, and so on; what is a clade of the present tree already stays as it
is. So the block between C and these clades is drawn anew: as many inner edges as there were, with lengths drawn from
the gamma densities of their clades. Metropolis and Hastings's rule compares

    log (p' / p) + sum over the old block of log (P(split) g(t)) - the same over the new block.

The way back ends at the same clades: one that contains some of them properly would be a clade of both trees above them.
All that happens below C leaves the distribution given the rest of the tree invariant, so the next clades to be visited
may be those of the new block. Chains pass from mode to mode this way, however improbable the trees between are, once
the distribution knows both.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import numpy as np

from vbpi_mix.anneal.edge_kernels import Target
from vbpi_mix.anneal.reference_kernels import (
    Reference,
    find,
    gamma_constant,
    length_row,
    log_subsplit,
    subsplit_key,
)
from vbpi_mix.anneal.rules import keeps_rules
from vbpi_mix.anneal.walk_kernels import value_at
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.tree import Messages, MovingTree, set_matrices, set_messages, update_down, update_up

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


@kernel(inner=True)
def _room(n_nodes: int) -> Block:
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
def _log_length(shape: float, rate: float, x: float) -> float:
    """Log gamma density of x = log t."""
    return gamma_constant(shape, rate) + shape * x - rate * math.exp(x)


@kernel(inner=True)
def _draw_block(
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
def _log_reference(tree: MovingTree, target: Target, node: int, block: Block, n: int) -> float:
    """Log density of the block at a node, by the density that the path begins at."""
    reference = target.reference
    value = 0.0
    for i in range(-1, n):
        at = node if i < 0 else block.nodes[i]
        first, second = tree.kids[at, 0], tree.kids[at, 1]
        value += log_subsplit(reference, tree.clades[first], tree.clades[second], tree.sizes[first], tree.sizes[second])
        if i >= 0:
            shape, rate = length_row(reference, tree.clades[at])
            value += _log_length(shape, rate, math.log(tree.lengths[at]))
    return value


@kernel(inner=True)
def _put(tree: MovingTree, node: int, block: Block, n: int) -> None:
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
def _put_back(tree: MovingTree, node: int, block: Block, n: int) -> None:
    """Undo `_put`."""
    tree.kids[node, 0], tree.kids[node, 1] = block.old_kids[MOST, 0], block.old_kids[MOST, 1]
    for i in range(n):
        at = block.nodes[i]
        tree.kids[at, 0], tree.kids[at, 1] = block.old_kids[i, 0], block.old_kids[i, 1]
        tree.up[at], tree.clades[at] = block.old_up[i], block.old_clades[i]
        tree.sizes[at], tree.lengths[at] = block.old_sizes[i], block.old_lengths[i]
    for i in range(n + 2):
        tree.up[block.kept[i]] = block.old_kept_up[i]


@kernel(inner=True)
def _set_block(tree: MovingTree, work: Messages, target: Target, node: int, block: Block, n: int) -> None:
    """Matrices and messages D of a block, and D of the node above it."""
    for i in range(n):
        set_matrices(work, target.spectra, target.blocks, block.nodes[i], tree.lengths[block.nodes[i]])
    for i in range(n - 1, -1, -1):
        update_down(tree, work, block.nodes[i], target.blocks)
    update_down(tree, work, node, target.blocks)


@kernel(inner=True)
def _redraw_clade(
    tree: MovingTree, work: Messages, target: Target, redraws: Redraws, node: int, block: Block, state: np.ndarray,
    generator: np.random.Generator,
) -> int:  # fmt: skip
    """Draw the block at a node anew, whose messages D and U are right; they are right after it.

    Arguments:
        tree: changed.
        work: messages.
        target: density to sample.
        redraws: what blocks are drawn from.
        node: the one whose clade is drawn anew.
        block: overwritten.
        state: (2,) log-likelihood and tree length.
        generator: source of the draws.

    Returns:
        0: it was not tried, 1: it was refused, 2: it is another.
    """
    n, ratio = _draw_block(tree, redraws, node, block, generator)
    if n < 0:
        return 0
    reference, prior, beta = redraws.reference, target.prior, target.beta
    ratio = -ratio
    longer = log_longer = 0.0
    for i in range(n):
        shape, rate = length_row(reference, tree.clades[block.nodes[i]])
        x = math.log(tree.lengths[block.nodes[i]])
        ratio += _log_length(shape, rate, x)
        longer -= tree.lengths[block.nodes[i]]
        log_longer -= x
        shape, rate = length_row(reference, block.clades[i])
        x = math.log(generator.standard_gamma(shape + 1.0)) + math.log(1.0 - generator.random()) / shape
        x = max(x - math.log(rate), -500.0)
        block.lengths[i] = math.exp(x)
        ratio -= _log_length(shape, rate, x)
        longer += block.lengths[i]
        log_longer += x
    # in log lengths, whose density has the lengths as factors
    change = (prior.inner + 1.0) * log_longer - prior.rate * longer
    if prior.power != 0.0:
        change += prior.power * math.log((state[1] + longer) / state[1])
    ratio += beta * change
    if beta < 1.0:
        ratio -= (1.0 - beta) * _log_reference(tree, target, node, block, n)
    _put(tree, node, block, n)
    if beta < 1.0:
        ratio += (1.0 - beta) * _log_reference(tree, target, node, block, n)
    allowed = len(target.rules.group) == 0 or keeps_rules(tree.kids, tree.top[0], target.rules)
    if allowed:
        _set_block(tree, work, target, node, block, n)
        value = value_at(tree, work, target, node)
        if math.log(1.0 - generator.random()) < ratio + beta * (value - state[0]):
            state[0] = value
            state[1] += longer
            return 2
    _put_back(tree, node, block, n)
    if allowed:
        _set_block(tree, work, target, node, block, n)
    return 1


@kernel()
def redraw(
    tree: MovingTree, work: Messages, target: Target, redraws: Redraws, passes: int, counts: np.ndarray,
    generator: np.random.Generator,
) -> float:  # fmt: skip
    """Pass over all clades of a tree that hangs from taxon 0; returns the log-likelihood at the end.

    Arguments:
        tree: changed.
        work: messages, with D of the tips; all others are overwritten.
        target: density to sample.
        redraws: what blocks are drawn from.
        passes: number of passes.
        counts: (2,) added to: blocks tried, changed.
        generator: source of the draws.
    """
    n_nodes = len(tree.up)
    n_taxa = (n_nodes + 2) // 2
    blocks = target.blocks
    order = np.empty(n_nodes, np.int64)
    set_messages(tree, work, target.spectra, blocks, order)
    top = tree.top[0]
    state = np.zeros(2)
    for i in range(2 * n_taxa - 3):
        state[1] += tree.lengths[order[i]]
    state[0] = value_at(tree, work, target, top)
    block = _room(n_nodes)
    changed = np.zeros(n_nodes, np.bool_)
    todo = np.empty(2 * n_nodes, np.int64)
    for _ in range(passes):
        todo[0] = top
        count = 1
        while count > 0:
            count -= 1
            node = todo[count]
            if node < 0:  # what is below has been visited
                node = -node
                if changed[tree.kids[node, 0]] or changed[tree.kids[node, 1]]:
                    update_down(tree, work, node, blocks)
                    changed[node] = True
                continue
            if node < n_taxa:
                continue
            changed[node] = False
            if tree.sizes[node] == 2:
                continue
            if node != top:
                update_up(tree, work, node, blocks)
            result = _redraw_clade(tree, work, target, redraws, node, block, state, generator)
            if result > 0:
                counts[0] += 1
            if result == 2:
                counts[1] += 1
            todo[count], todo[count + 1], todo[count + 2] = -node, tree.kids[node, 0], tree.kids[node, 1]
            count += 3
            if result == 2:
                changed[node] = True
    return value_at(tree, work, target, top)
