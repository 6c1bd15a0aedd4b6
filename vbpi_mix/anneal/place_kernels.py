"""Places for a pruned clade, and their weights.

With a clade taken out of a tree, an edge e has the weight t_e L_e, L_e the likelihood with the clade in the middle of
e: nearly the mass of e, the position on it integrated out. Middles are costly. At the nodes of the tree the clade's
likelihood needs one product for each edge on the way there, so the larger of the likelihoods at an edge's two ends
stands for its middle, but for the edge that the ball of places surrounds and the few that look best.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import numpy as np

from vbpi_mix.anneal.edge_kernels import Target
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.attached import spread, value_at_node, value_between
from vbpi_mix.felsenstein.local.tree import (
    N_SPARE,
    Messages,
    MovingTree,
    both_matrices,
    crossed_down,
    crossed_up,
    row_up,
)

_HOPELESS = 25.0  # nats


class Search(NamedTuple):
    """Which places for a clade are looked at, and how closely.

    Arguments:
        radius: of the ball of places, in edges.
        beyond: no place is looked at behind nodes whose log density with the clade is so many nats below that of the
            middle of the ball; infinity: all within the radius are.
        middles: places, besides that in the middle of the ball, that are looked at closely.
    """

    radius: int
    beyond: float
    middles: int


class Places(NamedTuple):
    """Messages of a tree without a clade, and likelihoods with the clade attached; named by edges' lower nodes.

    Arguments:
        u_row, d_row: (2N-2,) first rows of messages that come from the clade's old place; -1: those of the tree hold.
        u_scale, d_scale: (2N-2,) their scales.
        source: (2N-2,) edge that such a message comes from.
        n_made: (1,) messages made.
        reached: (2N-2,) nodes behind which messages are made.
        at_node: (2N-2,) log-likelihood with the clade at a reached node.
        has_middle: (2N-2,) edges whose middle has been looked at.
        middle: (2N-2,) log-likelihood with the clade there.
        distance: (2N-2,) from the middle of the ball, in edges; -1: outside.
        queue: (2N-2,) the ball's edges.
        nearest: (2N-2,) log-likelihood at the end of an edge by which it was reached.
        best: (2N-2,) the larger log-likelihood of an edge's two ends.
        weight: (2N-2,) log weight in the ball.
        closely: (2N-2,) edges of the ball that are weighted by their middles.
    """

    u_row: np.ndarray
    d_row: np.ndarray
    u_scale: np.ndarray
    d_scale: np.ndarray
    source: np.ndarray
    n_made: np.ndarray
    reached: np.ndarray
    at_node: np.ndarray
    has_middle: np.ndarray
    middle: np.ndarray
    distance: np.ndarray
    queue: np.ndarray
    nearest: np.ndarray
    best: np.ndarray
    weight: np.ndarray
    closely: np.ndarray


@kernel(inner=True, allocates=True)
def room_for_places(n_nodes: int) -> Places:
    """Room for places in a tree with 2N - 2 nodes."""
    ints, reals, bools = np.zeros((5, n_nodes), np.int64), np.zeros((7, n_nodes)), np.zeros((3, n_nodes), np.bool_)
    return Places(
        ints[0], ints[1], reals[0], reals[1], ints[2], np.zeros(1, np.int64), bools[0], reals[2], bools[1], reals[3],
        ints[3], ints[4], reals[4], reals[5], reals[6], bools[2],
    )  # fmt: skip


@kernel(inner=True)
def forget_places(places: Places, work: Messages) -> None:
    """Begin with nothing looked at."""
    places.n_made[0] = 0
    for i in range(len(work.scale_u)):
        places.u_row[i] = places.d_row[i] = places.source[i] = -1
        places.u_scale[i], places.d_scale[i] = work.scale_u[i], work.scale_d[i]
        places.reached[i] = places.has_middle[i] = False


@kernel(inner=True)
def value_on_edge(
    tree: MovingTree, work: Messages, target: Target, places: Places, edge: int, fraction: float, clade: int
) -> float:
    """Log-likelihood, but for the clade's scale, with a clade's message at a fraction of an edge from below."""
    spectra, blocks, matrices = target.spectra, target.blocks, work.matrices
    n, length = len(blocks.category), tree.lengths[edge]
    both_matrices(spectra, blocks, fraction * length, matrices[0], matrices[1])
    across = matrices[1]
    if fraction != 0.5:
        both_matrices(spectra, blocks, (1.0 - fraction) * length, matrices[2], matrices[3])
        across = matrices[3]
    u_row = places.u_row[edge] if places.u_row[edge] >= 0 else row_up(work, edge, n)
    d_row = places.d_row[edge] if places.d_row[edge] >= 0 else edge * n
    value = value_between(work.rows, u_row, d_row, clade, across, matrices[0], spectra, blocks, work.scratch)
    return value + places.u_scale[edge] + places.d_scale[edge]


@kernel(inner=True)
def _middle(tree: MovingTree, work: Messages, target: Target, places: Places, edge: int, clade: int) -> float:
    if not places.has_middle[edge]:
        places.middle[edge] = value_on_edge(tree, work, target, places, edge, 0.5, clade)
        places.has_middle[edge] = True
    return places.middle[edge]


@kernel(inner=True)
def _reach(
    tree: MovingTree, work: Messages, target: Target, places: Places, edge: int, first: int, second: int,
    downward: bool, clade: int,
) -> None:  # fmt: skip
    """Messages from an edge past one of its ends to two others, and the likelihood with the clade at that end.

    Downward these are the edges below; upward `first` is that beside the edge and `second` that above.
    """
    blocks, rows = target.blocks, work.rows
    n, n_nodes = len(blocks.category), len(tree.up)
    around = (2 * n_nodes + N_SPARE) * n
    of_first = around + places.n_made[0] * n
    of_second = of_first + n
    places.n_made[0] += 2
    u_scale, d_scale = places.u_scale, places.d_scale
    towards = crossed_down(work, first, blocks)
    beside = crossed_down(work, second, blocks) if downward else crossed_up(work, second, blocks)
    if downward:
        here = places.u_row[edge] if places.u_row[edge] >= 0 else row_up(work, edge, n)
        spread(rows, here, work.across[edge], beside, of_first, towards, of_second, blocks, work.scratch)
        scale = u_scale[edge]
        u_scale[first], u_scale[second] = scale + d_scale[second], scale + d_scale[first]
        places.u_row[second] = of_second
    else:
        here = places.d_row[edge] if places.d_row[edge] >= 0 else edge * n
        spread(rows, here, work.down[edge], beside, of_first, towards, of_second, blocks, work.scratch)
        scale = d_scale[edge]
        u_scale[first], d_scale[second] = scale + u_scale[second], scale + d_scale[first]
        places.d_row[second] = of_second
    places.u_row[first] = of_first
    places.source[first] = places.source[second] = edge
    end = edge if downward else second
    value = value_at_node(rows, of_first, towards, clade, target.spectra, blocks, work.scratch)
    places.at_node[end] = value + u_scale[first] + d_scale[first]
    places.reached[end] = True


@kernel(inner=True)
def weigh_places(
    tree: MovingTree, work: Messages, target: Target, places: Places, origin: int, search: Search, clade: int
) -> tuple[int, float]:
    """Find the places in the ball round an edge and weigh them; their number, and the log of the sum of weights.

    Weights depend on the tree without the clade, the clade and the edge alone, not on what was looked at before.
    """
    n_taxa = (len(tree.up) + 2) // 2
    distance, queue, best = places.distance, places.queue, places.best
    weight, closely = places.weight, places.closely
    distance[:] = -1
    closely[:] = False
    queue[0], distance[origin] = origin, 0
    here = _middle(tree, work, target, places, origin, clade)
    lowest = here - search.beyond / target.beta
    weight[origin] = math.log(tree.lengths[origin]) + target.beta * here
    closely[origin] = True
    count, i = 1, 0
    while i < count:
        edge = queue[i]
        i += 1
        if distance[edge] == search.radius or (edge != origin and places.nearest[edge] < lowest):
            continue
        above = tree.up[edge]
        for way in range(2):
            downward = way == 0
            if (edge < n_taxa) if downward else (above == 0):
                continue
            if downward:
                end, first, second = edge, tree.kids[edge, 0], tree.kids[edge, 1]
            else:
                end, second = above, above
                first = tree.kids[above, 0] if tree.kids[above, 1] == edge else tree.kids[above, 1]
            if distance[first] >= 0:  # it was reached from here
                continue
            if not places.reached[end]:
                _reach(tree, work, target, places, edge, first, second, downward, clade)
            value = places.at_node[end]
            best[edge] = max(best[edge], value) if edge != origin else value
            for j in range(2):
                other = first if j == 0 else second
                distance[other] = distance[edge] + 1
                places.nearest[other] = best[other] = value
                queue[count] = other
                count += 1
    for i in range(1, count):
        edge = queue[i]
        weight[edge] = math.log(tree.lengths[edge]) + target.beta * best[edge]
    top = weight[origin]
    for _ in range(min(search.middles, count - 1)):
        edge = -1
        for i in range(1, count):
            if not closely[queue[i]] and (edge < 0 or weight[queue[i]] > weight[edge]):
                edge = queue[i]
        if weight[edge] < top - _HOPELESS:
            break
        closely[edge] = True
        weight[edge] = math.log(tree.lengths[edge]) + target.beta * _middle(tree, work, target, places, edge, clade)
        top = max(top, weight[edge])
    for i in range(count):
        top = max(top, weight[queue[i]])
    total = 0.0
    for i in range(count):
        total += math.exp(weight[queue[i]] - top)
    return count, top + math.log(total)
