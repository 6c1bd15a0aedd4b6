"""Pruning a clade and regrafting it nearby, the place chosen by the likelihoods of all places in a ball of edges.

With the clade taken out, every edge of the remaining tree in a ball round the place that it came from has a weight w
(`place_kernels`). A place is drawn by weight, a position on it uniformly. Metropolis and Hastings's rule needs the
weights in the ball round the new place, too:

    log ratio = log (p' / p) + log (w_old / sum of w around new) - log (w_new / sum of w around old)
                + log (t_new / t_old),

t_old being the length of the edge that is left where the clade was, and densities p of lengths.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math

import numpy as np

from vbpi_mix.anneal.edge_kernels import Target
from vbpi_mix.anneal.place_kernels import Places, Search, forget_places, value_on_edge, weigh_places
from vbpi_mix.anneal.rules import keeps_rules
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.general_gradient import copy_row
from vbpi_mix.felsenstein.local.attached import value_at_node
from vbpi_mix.felsenstein.local.tree import (
    Messages,
    MovingTree,
    crossed_down,
    crossed_up,
    put_in_place,
    row_up,
    set_matrices,
    update_up,
)


@kernel(inner=True)
def _copy(rows: np.ndarray, source: int, out: int, n: int) -> None:
    for r in range(n):
        copy_row(rows[source + r], rows[out + r])


@kernel(inner=True)
def _log_power(tree: MovingTree, target: Target, node: int, length: float, n_taxa: int) -> float:
    """The prior's term of one edge's own length."""
    power = target.prior.tip if node < n_taxa or node == tree.top[0] else target.prior.inner
    return 0.0 if power == 0.0 else power * math.log(length)


@kernel(inner=True)
def move_clade(
    tree: MovingTree, work: Messages, target: Target, node: int, search: Search, places: Places, uphill: bool,
    generator: np.random.Generator,
) -> int:  # fmt: skip
    """Regraft the clade below the edge above a node, whose messages D and U are right; they are right after it.

    Only for the posterior itself (`target.beta` = 1) or a power of it (`reference.heated_reference`). With `uphill`
    the clade goes to the best middle of an edge looked at, if that is better than where it was; that leaves no
    distribution invariant.

    Returns:
        0: nothing changed, 1: the place on its edge, 2: the topology.
    """
    blocks, rows = target.blocks, work.rows
    n, n_nodes = len(blocks.category), len(tree.up)
    n_taxa = (n_nodes + 2) // 2
    if node == tree.top[0]:
        return 0
    joint = tree.up[node]
    slot = 0 if tree.kids[joint, 1] == node else 1  # where the sibling is
    sibling, above = tree.kids[joint, slot], tree.up[joint]
    lower, upper = tree.lengths[sibling], tree.lengths[joint]
    old = lower + upper
    if sibling < n_taxa and above == 0:
        return 0
    clade = crossed_down(work, node, blocks)
    from_above, beside = crossed_up(work, joint, blocks), crossed_down(work, sibling, blocks)
    old_value = value_at_node(rows, from_above, beside, clade, target.spectra, blocks, work.scratch)
    old_value += work.scale_u[joint] + work.scale_d[sibling]
    # without the clade
    before = _log_power(tree, target, sibling, lower, n_taxa) + _log_power(tree, target, joint, upper, n_taxa)
    put_in_place(tree, above, joint, sibling)
    tree.lengths[sibling] = old
    set_matrices(work, target.spectra, blocks, sibling, old)
    forget_places(places, work)
    places.u_row[sibling], places.u_scale[sibling] = row_up(work, joint, n), work.scale_u[joint]
    count, total = weigh_places(tree, work, target, places, sibling, search, clade)
    queue, weight = places.queue, places.weight
    chosen = sibling
    if uphill:
        for i in range(count):
            if places.closely[queue[i]] and weight[queue[i]] > weight[chosen]:
                chosen = queue[i]
    else:
        part = generator.random()
        for i in range(count):
            part -= math.exp(weight[queue[i]] - total)
            if part < 0.0:
                chosen = queue[i]
                break
    way_back = 0.0  # log probability of the old place, seen from the new one, less that of the new one
    if chosen != sibling and not uphill:
        way_back = total - weight[chosen]
        _, total = weigh_places(tree, work, target, places, chosen, search, clade)
        way_back += weight[sibling] - total if places.distance[sibling] >= 0 else -math.inf
    length = tree.lengths[chosen]
    fraction = generator.random()
    fraction = 0.5 if uphill else min(max(fraction, 1e-12), 1.0 - 1e-12)
    new_value = value_on_edge(tree, work, target, places, chosen, fraction, clade)
    ratio = target.beta * (new_value - old_value) + way_back + math.log(length) - math.log(old)
    if target.prior.tip != 0.0 or target.prior.inner != 0.0:
        # `joint` is an inner edge wherever it is, unless it is at the top
        at_top = chosen == tree.top[0]
        change = -before
        if chosen != sibling:
            change += _log_power(tree, target, sibling, old, n_taxa) - _log_power(tree, target, chosen, length, n_taxa)
        power = target.prior.tip if chosen < n_taxa else target.prior.inner
        change += power * math.log(fraction * length)
        change += (target.prior.tip if at_top else target.prior.inner) * math.log((1.0 - fraction) * length)
        ratio += target.beta * change
    if uphill:
        ratio = new_value - old_value if chosen != sibling else -np.inf
    accepted = ratio > 0.0 if uphill else math.log(1.0 - generator.random()) < ratio
    if accepted and chosen != sibling and len(target.rules.group) > 0:
        parent = tree.up[chosen]
        put_in_place(tree, parent, chosen, joint)
        tree.kids[joint, slot] = chosen
        accepted = keeps_rules(tree.kids, tree.top[0], target.rules)
        put_in_place(tree, parent, joint, chosen)
    if not accepted:
        put_in_place(tree, above, sibling, joint)
        tree.kids[joint, slot] = sibling
        tree.up[sibling] = joint
        tree.lengths[sibling] = lower
        set_matrices(work, target.spectra, blocks, sibling, lower)
        return 0
    if chosen != sibling:
        # what points to the new place
        _copy(rows, row_up(work, joint, n), row_up(work, sibling, n), n)
        work.scale_u[sibling] = work.scale_u[joint]
        work.fresh_u[sibling] = False
        edge = chosen
        while edge != sibling:
            if places.u_row[edge] >= 0:
                _copy(rows, places.u_row[edge], row_up(work, edge, n), n)
                work.scale_u[edge] = places.u_scale[edge]
                work.fresh_u[edge] = False
            else:
                _copy(rows, places.d_row[edge], edge * n, n)
                work.scale_d[edge] = places.d_scale[edge]
                work.fresh_d[edge] = False
            edge = places.source[edge]
        _copy(rows, row_up(work, chosen, n), row_up(work, joint, n), n)
        work.scale_u[joint] = work.scale_u[chosen]
    put_in_place(tree, tree.up[chosen], chosen, joint)
    tree.kids[joint, slot] = chosen
    tree.up[chosen] = joint
    tree.lengths[chosen], tree.lengths[joint] = fraction * length, (1.0 - fraction) * length
    set_matrices(work, target.spectra, blocks, chosen, tree.lengths[chosen])
    set_matrices(work, target.spectra, blocks, joint, tree.lengths[joint])
    update_up(tree, work, node, blocks)
    return 1 if chosen == sibling else 2
