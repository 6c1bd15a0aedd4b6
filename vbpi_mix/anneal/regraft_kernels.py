"""Pruning a clade and regrafting it nearby, the place chosen by the likelihoods of all places within a radius.

With the clade taken out, every edge e of the remaining tree within `radius` edges of the place that it came from has
the weight t_e L_e, L_e the likelihood with the clade in the middle of e: nearly the mass of e, the position on it
integrated out. A place is drawn by weight, a position on it uniformly. Metropolis and Hastings's rule needs the weights
around the new place, too:

    log ratio = log (p' / p) + log (w_old / sum of w around new) - log (w_new / sum of w around old)
                + log (t_new / t_old),

t_old being the length of the edge that is left where the clade was, and densities p of lengths.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math

import numpy as np

from vbpi_mix.anneal.edge_kernels import Target
from vbpi_mix.anneal.rules import keeps_rules
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.messages import spread, value_between
from vbpi_mix.felsenstein.local.tree import (
    N_SPARE,
    Messages,
    MovingTree,
    both_matrices,
    crossed_down,
    crossed_up,
    put_in_place,
    set_matrices,
    update_up,
)


@kernel(inner=True)
def _copy(rows: np.ndarray, source: int, out: int, n: int) -> None:
    for r in range(n):
        a, b = rows[source + r], rows[out + r]
        for p in range(len(a)):
            b[p] = a[p]


@kernel(inner=True)
def _value_at(
    work: Messages, target: Target, u_row: int, d_row: int, length: float, fraction: float, clade: int
) -> float:
    """Log-likelihood, but for scales, with a clade's message attached at a fraction of an edge from below."""
    spectra, blocks, matrices = target.spectra, target.blocks, work.matrices
    both_matrices(spectra, blocks, fraction * length, matrices[0], matrices[1])
    across = matrices[1]
    if fraction != 0.5:
        both_matrices(spectra, blocks, (1.0 - fraction) * length, matrices[2], matrices[3])
        across = matrices[3]
    return value_between(work.rows, u_row, d_row, clade, across, matrices[0], spectra, blocks, work.scratch)


@kernel(inner=True)
def _log_power(tree: MovingTree, target: Target, node: int, length: float, n_taxa: int) -> float:
    """The prior's term of one edge's own length."""
    power = target.prior.tip if node < n_taxa or node == tree.top[0] else target.prior.inner
    return 0.0 if power == 0.0 else power * math.log(length)


@kernel(inner=True)
def move_clade(
    tree: MovingTree, work: Messages, target: Target, node: int, radius: int, uphill: bool,
    generator: np.random.Generator,
) -> int:  # fmt: skip
    """Regraft the clade below the edge above a node, whose messages D and U are right; they are right after it.

    Only for the posterior itself (`target.beta` = 1) or a power of it (`reference.heated_reference`). With `uphill`
    the clade goes to the best middle of an edge if that is better than where it was; that leaves no distribution
    invariant.

    Returns:
        0: nothing changed, 1: the place on its edge, 2: the topology.
    """
    blocks, rows = target.blocks, work.rows
    n, n_nodes = len(blocks.category), len(tree.up)
    n_taxa = (n_nodes + 2) // 2
    spare = 2 * n_nodes * n
    around = spare + N_SPARE * n
    if node == tree.top[0]:
        return 0
    joint = tree.up[node]
    slot = 0 if tree.kids[joint, 1] == node else 1  # where the sibling is
    sibling, above = tree.kids[joint, slot], tree.up[joint]
    lower, upper = tree.lengths[sibling], tree.lengths[joint]
    old = lower + upper
    if sibling < n_taxa and above == 0:
        return 0
    # without the clade
    before = _log_power(tree, target, sibling, lower, n_taxa) + _log_power(tree, target, joint, upper, n_taxa)
    put_in_place(tree, above, joint, sibling)
    tree.lengths[sibling] = old
    set_matrices(work, target.spectra, blocks, sibling, old)
    clade = crossed_down(work, node, blocks)

    u_row = np.full(n_nodes, -1)
    d_row = np.full(n_nodes, -1)
    u_scale, d_scale = work.scale_u.copy(), work.scale_d.copy()
    u_row[sibling], u_scale[sibling] = (n_nodes + joint) * n, work.scale_u[joint]
    weight = np.full(n_nodes, -np.inf)
    seen = np.zeros(n_nodes, np.bool_)
    source = np.full(n_nodes, -1)
    distance = np.zeros(n_nodes, np.int64)
    queue = np.empty(n_nodes, np.int64)
    outs = np.empty(2, np.int64)
    n_made = 0

    sums = np.empty(2)
    best = np.empty(2)
    chosen = sibling
    for turn in range(2):  # around the old place, then around the new one
        origin = sibling if turn == 0 else chosen
        for i in range(n_nodes):
            distance[i] = -1
        queue[0], distance[origin] = origin, 0
        count = 1
        i = 0
        while i < count:
            edge = queue[i]
            i += 1
            ue = u_row[edge] if u_row[edge] >= 0 else (n_nodes + edge) * n
            de = d_row[edge] if d_row[edge] >= 0 else edge * n
            if not seen[edge]:
                seen[edge] = True
                length = tree.lengths[edge]
                value = u_scale[edge] + d_scale[edge]
                value += _value_at(work, target, ue, de, length, 0.5, clade)
                weight[edge] = math.log(length) + target.beta * value
            if distance[edge] == radius:
                continue
            # messages that come from the clade's old place: down to the children, up to the sibling and the parent
            parent = tree.up[edge]
            for direction in range(2):
                if (edge < n_taxa) if direction == 0 else (parent == 0):
                    continue
                if direction == 0:
                    first, second = tree.kids[edge, 0], tree.kids[edge, 1]
                else:
                    first = tree.kids[parent, 0] if tree.kids[parent, 1] == edge else tree.kids[parent, 1]
                    second = parent
                outs[0] = outs[1] = -1
                for j in range(2):
                    other = first if j == 0 else second
                    if distance[other] >= 0:
                        continue
                    distance[other] = distance[edge] + 1
                    queue[count] = other
                    count += 1
                    if not seen[other]:
                        source[other] = edge
                        outs[j] = around + n_made * n
                        n_made += 1
                if outs[0] < 0 and outs[1] < 0:
                    continue
                # what the message from here is multiplied by on the way to each
                of_first = of_second = -1
                if outs[0] >= 0:
                    of_first = (
                        crossed_down(work, second, blocks) if direction == 0 else crossed_up(work, parent, blocks)
                    )
                if outs[1] >= 0:
                    of_second = crossed_down(work, first, blocks)
                here, matrix = (ue, work.across[edge]) if direction == 0 else (de, work.down[edge])
                spread(rows, here, matrix, of_first, outs[0], of_second, outs[1], blocks, work.scratch)
                scale = u_scale[edge] if direction == 0 else d_scale[edge]
                if outs[0] >= 0:
                    u_row[first] = outs[0]
                    u_scale[first] = scale + (d_scale[second] if direction == 0 else u_scale[parent])
                if outs[1] >= 0 and direction == 0:
                    u_row[second], u_scale[second] = outs[1], scale + d_scale[first]
                elif outs[1] >= 0:
                    d_row[second], d_scale[second] = outs[1], scale + d_scale[first]
        top = -np.inf
        for i in range(count):
            top = max(top, weight[queue[i]])
        total = 0.0
        for i in range(count):
            total += math.exp(weight[queue[i]] - top)
        best[turn], sums[turn] = top, top + math.log(total)
        if turn == 0:
            place = generator.random() * total
            chosen = queue[count - 1]
            for i in range(count):
                place -= math.exp(weight[queue[i]] - top)
                if place < 0.0:
                    chosen = queue[i]
                    break
            if uphill:
                chosen = sibling
                for i in range(count):
                    if weight[queue[i]] > weight[chosen]:
                        chosen = queue[i]
            if chosen == sibling:
                sums[1] = sums[0]
                break
    length = tree.lengths[chosen]
    fraction = generator.random()
    fraction = 0.5 if uphill else min(max(fraction, 1e-12), 1.0 - 1e-12)
    ue = u_row[chosen] if u_row[chosen] >= 0 else (n_nodes + chosen) * n
    de = d_row[chosen] if d_row[chosen] >= 0 else chosen * n
    new_value = _value_at(work, target, ue, de, length, fraction, clade) + u_scale[chosen] + d_scale[chosen]
    old_value = _value_at(work, target, (n_nodes + joint) * n, sibling * n, old, lower / old, clade)
    old_value += u_scale[sibling] + d_scale[sibling]
    ratio = target.beta * (new_value - old_value) + (weight[sibling] - sums[1]) - (weight[chosen] - sums[0])
    ratio += math.log(length) - math.log(old)
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
        _copy(rows, (n_nodes + joint) * n, (n_nodes + sibling) * n, n)
        work.scale_u[sibling] = work.scale_u[joint]
        work.fresh_u[sibling] = False
        edge = chosen
        while edge != sibling:
            if u_row[edge] >= 0:
                _copy(rows, u_row[edge], (n_nodes + edge) * n, n)
                work.scale_u[edge] = u_scale[edge]
                work.fresh_u[edge] = False
            else:
                _copy(rows, d_row[edge], edge * n, n)
                work.scale_d[edge] = d_scale[edge]
                work.fresh_d[edge] = False
            edge = source[edge]
        _copy(rows, (n_nodes + chosen) * n, (n_nodes + joint) * n, n)
        work.scale_u[joint] = work.scale_u[chosen]
    put_in_place(tree, tree.up[chosen], chosen, joint)
    tree.kids[joint, slot] = chosen
    tree.up[chosen] = joint
    tree.lengths[chosen], tree.lengths[joint] = fraction * length, (1.0 - fraction) * length
    set_matrices(work, target.spectra, blocks, chosen, tree.lengths[chosen])
    set_matrices(work, target.spectra, blocks, joint, tree.lengths[joint])
    update_up(tree, work, node, blocks)
    return 1 if chosen == sibling else 2
