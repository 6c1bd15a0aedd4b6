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

Most draws are the present split, above all where few topologies are probable, and need no likelihood. So the messages U
on the way down to a clade are computed when another block is tried there, not when the clade is visited.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math

import numpy as np

from vbpi_mix.anneal.block_kernels import Block, Redraws, draw_block, put_block, put_block_back, room_for_block
from vbpi_mix.anneal.edge_kernels import Target
from vbpi_mix.anneal.reference_kernels import gamma_constant, length_row, log_subsplit
from vbpi_mix.anneal.rules import keeps_rules
from vbpi_mix.anneal.walk_kernels import value_at
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.tree import Messages, MovingTree, set_matrices, set_messages, update_down, update_up


@kernel(inner=True)
def _log_length(shape: float, rate: float, x: float) -> float:
    """Log gamma density of x = log t."""
    return gamma_constant(shape, rate) + shape * x - rate * math.exp(x)


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
def _set_block(tree: MovingTree, work: Messages, target: Target, node: int, block: Block, n: int) -> None:
    """Matrices and messages D of a block, and D of the node above it."""
    for i in range(n):
        set_matrices(work, target.spectra, target.blocks, block.nodes[i], tree.lengths[block.nodes[i]])
    for i in range(n - 1, -1, -1):
        update_down(tree, work, block.nodes[i], target.blocks)
    update_down(tree, work, node, target.blocks)


@kernel(inner=True)
def _set_upper_messages(
    tree: MovingTree, work: Messages, target: Target, node: int, right: np.ndarray, way: np.ndarray
) -> None:
    """Compute U of a node and of those above it where it is not right; `way` is overwritten."""
    count = 0
    while not right[node]:
        way[count] = node
        count += 1
        node = tree.up[node]
    for i in range(count - 1, -1, -1):
        update_up(tree, work, way[i], target.blocks)
        right[way[i]] = True


@kernel(inner=True)
def _keep_above(tree: MovingTree, node: int, right: np.ndarray) -> None:
    """After a change of what is below a node, U is right there and above, and nowhere else."""
    right[:] = False
    right[node] = True
    while node != tree.top[0]:
        node = tree.up[node]
        right[node] = True


@kernel(inner=True)
def _redraw_clade(
    tree: MovingTree, work: Messages, target: Target, redraws: Redraws, node: int, block: Block, right: np.ndarray,
    way: np.ndarray, state: np.ndarray, generator: np.random.Generator,
) -> int:  # fmt: skip
    """Draw the block at a node anew, whose message D is right; it is right after it.

    Arguments:
        tree: changed.
        work: messages.
        target: density to sample.
        redraws: what blocks are drawn from.
        node: the one whose clade is drawn anew.
        block: overwritten.
        right: (2N - 2,) nodes whose U is right, with all above them; changed.
        way: (2N - 2,) overwritten.
        state: (2,) log-likelihood and tree length.
        generator: source of the draws.

    Returns:
        0: it was not tried, 1: it was refused, 2: it is another.
    """
    n, ratio = draw_block(tree, redraws, node, block, generator)
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
    put_block(tree, node, block, n)
    if beta < 1.0:
        ratio += (1.0 - beta) * _log_reference(tree, target, node, block, n)
    allowed = len(target.rules.group) == 0 or keeps_rules(tree.kids, tree.top[0], target.rules)
    if allowed:
        _set_upper_messages(tree, work, target, node, right, way)
        _set_block(tree, work, target, node, block, n)
        value = value_at(tree, work, target, node)
        if math.log(1.0 - generator.random()) < ratio + beta * (value - state[0]):
            state[0] = value
            state[1] += longer
            _keep_above(tree, node, right)
            return 2
    put_block_back(tree, node, block, n)
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
    block = room_for_block(n_nodes)
    changed, right = np.zeros(n_nodes, np.bool_), np.zeros(n_nodes, np.bool_)
    right[top] = True
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
            result = _redraw_clade(tree, work, target, redraws, node, block, right, order, state, generator)
            if result > 0:
                counts[0] += 1
            if result == 2:
                counts[1] += 1
            todo[count], todo[count + 1], todo[count + 2] = -node, tree.kids[node, 0], tree.kids[node, 1]
            count += 3
            if result == 2:
                changed[node] = True
    return value_at(tree, work, target, top)
