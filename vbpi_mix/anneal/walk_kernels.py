"""A walk over the edges of a tree that changes the tree where it stands.

The walk goes round the tree as one would along its outline: every edge is passed downward and upward. On one step only
one message becomes out of date and is computed anew, so a move costs the same however large the tree is. The place of
the walk is part of the state: given the tree it is uniform over the 2 (2N - 3) directed edges, which every step, a
bijection, and every move leave so. Where the walk begins is drawn anew each time, as is the order of all children.

A regraft takes what lies below an edge to another place above it. The tree hangs from a taxon that is drawn anew for
each walk, so that either side of an edge is what lies below it at times: the rest of the tree moves round a clade, too.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import numpy as np

from vbpi_mix.anneal.edge_kernels import Target, move_edge
from vbpi_mix.anneal.place_kernels import Search, room_for_places
from vbpi_mix.anneal.regraft_kernels import move_clade
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.messages import table_value
from vbpi_mix.felsenstein.local.tree import (
    Messages,
    MovingTree,
    hang_from,
    set_messages,
    tabulate_edge_above,
    update_down,
    update_up,
)


@kernel(inner=True)
def value_at(tree: MovingTree, work: Messages, target: Target, node: int) -> float:
    """Log-likelihood of the tree, from the messages at one edge."""
    n, n_nodes = len(target.blocks.category), len(tree.up)
    table = (2 * n_nodes + 4) * n
    tabulate_edge_above(work, node, table, target.spectra, target.blocks)
    value = table_value(work.rows, table, tree.lengths[node], target.spectra, target.blocks, work.scratch)
    return value + work.scale_u[node] + work.scale_d[node]


@kernel()
def walk(
    tree: MovingTree, work: Messages, target: Target, n_steps: int, rearrangements: float, certainty: float,
    regrafts: float, radius: int, beyond: float, far: float, far_radius: int, far_beyond: float, middles: int,
    uphill: bool, greedy: bool, any_root: bool, counts: np.ndarray, generator: np.random.Generator,
) -> float:  # fmt: skip
    """Take steps, moving at each; returns the log-likelihood at the end.

    Arguments:
        tree: changed.
        work: messages, with D of the tips; all others are overwritten.
        target: density to sample.
        n_steps: 2 (2N - 3) are one round.
        rearrangements: share of the inner edges moved at where other arrangements than the present one are tried, ...
        certainty: ... for very short ones, see `edge_kernels.move_edge`.
        regrafts: share of the edges passed downward at which a regraft is tried; 0 unless `target.beta` is 1.
        radius: radius of the regrafts, in edges, see `place_kernels.Search`.
        beyond: see there, too.
        far: share of the regrafts that choose among places farther away.
        far_radius: radius of the far regrafts.
        far_beyond: what `beyond` is for them.
        middles: see `place_kernels.Search`.
        uphill: regrafts go uphill in place of sampling.
        greedy: all other moves go uphill in place of sampling.
        any_root: let the tree hang from any taxon meanwhile; neither `target.rules` nor clades of `target.reference`
            may depend on what taxon 0 is then.
        counts: (5,) added to: edges moved at, lengths changed, arrangements changed, regrafts tried, made.
        generator: source of the draws.
    """
    n_nodes = len(tree.up)
    n_taxa = (n_nodes + 2) // 2
    n_rows = len(target.blocks.category)
    root = int(generator.random() * n_taxa) if any_root else 0
    hang_from(tree, work, root, n_rows)
    order = np.empty(n_nodes, np.int64)
    for node in range(n_taxa, n_nodes):
        if generator.random() < 0.5:
            tree.kids[node, 0], tree.kids[node, 1] = tree.kids[node, 1], tree.kids[node, 0]
    set_messages(tree, work, target.spectra, target.blocks, order)
    total, places = np.zeros(1), room_for_places(n_nodes)
    for i in range(2 * n_taxa - 3):
        total[0] += tree.lengths[order[i]]
    node = order[int(generator.random() * (2 * n_taxa - 3))]
    downward = generator.random() < 0.5
    count = 0
    at = node
    while at != tree.top[0]:  # the messages on the way there
        order[count] = at
        count += 1
        at = tree.up[at]
    for i in range(count - 1, -1, -1):
        update_up(tree, work, order[i], target.blocks)
    for _ in range(n_steps):
        if downward:
            if regrafts > 0.0 and generator.random() < regrafts:
                near = generator.random() >= far
                search = Search(radius if near else far_radius, beyond if near else far_beyond, middles)
                result = move_clade(tree, work, target, node, search, places, uphill, generator)
                counts[3] += 1
                counts[4] += 1 if result == 2 else 0
            if node >= n_taxa:
                node = tree.kids[node, 0]
                update_up(tree, work, node, target.blocks)
            else:
                downward = False
            continue
        result = move_edge(tree, work, target, node, total, rearrangements, certainty, greedy, generator)
        counts[0] += 1
        counts[1] += 1 if result > 0 else 0
        counts[2] += 1 if result == 2 else 0
        if node == tree.top[0]:
            downward = True
            continue
        above = tree.up[node]
        if tree.kids[above, 0] == node:
            node = tree.kids[above, 1]
            update_up(tree, work, node, target.blocks)
            downward = True
        else:
            node = above
            update_down(tree, work, node, target.blocks)
    value = value_at(tree, work, target, node)
    hang_from(tree, work, root, n_rows)
    return value
