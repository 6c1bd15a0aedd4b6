"""Gibbs-like move at one edge: its length and, at an inner edge, which of three ways its four neighbours are joined.

Given the rest of the tree the three arrangements have three densities of the edge's length. Each is approximated
(`felsenstein.local.edges`); an arrangement is drawn by the approximations' masses and a length from its approximation;
Metropolis and Hastings's rule makes up for the errors. Arrangements that are far worse than the best at one length, the
same for all, are not approximated and never drawn. One move in ten is a random step of log length and arrangement
instead, so that a tree leaves also where the approximation is too low.

Long edges have many substitutions that speak for them, and other arrangements are mostly tried there in vain. So these
are tried less often the longer the edge is, down to a quarter, at other times its length alone is drawn anew, and the
rule has the ratio of the probabilities of this choice before and after the move, too.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import numpy as np

from vbpi_mix.anneal.reference_kernels import Reference, gamma_constant, length_row, log_subsplit
from vbpi_mix.anneal.rules import Rules, keeps_rules
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.crossing import tabulate_arrangements
from vbpi_mix.felsenstein.local.edges import EdgePrior, Fit, draw_length, edge_density, fit_edge, fit_log_prob
from vbpi_mix.felsenstein.local.messages import Blocks, Spectra
from vbpi_mix.felsenstein.local.tree import (
    Messages,
    MovingTree,
    set_matrices,
    source_above,
    source_below,
    tabulate_edge_above,
    update_down,
    update_up,
)

_RANDOM_STEPS = 0.1
_FEWEST = 0.25  # of the tries, at the longest edges: other substitutions may speak against these
_STEP = 1.0
_HOPELESS = 25.0  # nats


class Target(NamedTuple):
    """Density that a tree's moves leave invariant: the posterior given the parameters, or one on the path to it.

    Arguments:
        blocks, spectra: the likelihood, see `felsenstein.local.messages`.
        prior: prior of the branch lengths.
        reference: density at which the path begins.
        beta: place on the path; 1: the posterior.
        typical: (2,) log lengths that searches of modes begin at, of tips' edges and inner ones.
        rules: rules that topologies must satisfy; the tree does.
    """

    blocks: Blocks
    spectra: Spectra
    prior: EdgePrior
    reference: Reference
    beta: float
    typical: np.ndarray
    rules: Rules


@kernel(inner=True)
def set_length(tree: MovingTree, work: Messages, target: Target, node: int, x: float, total: np.ndarray) -> None:
    """Change the length of the edge above a node to exp(x)."""
    t = math.exp(x)
    total[0] += t - tree.lengths[node]
    tree.lengths[node] = t
    set_matrices(work, target.spectra, target.blocks, node, t)


@kernel(inner=True)
def rearrange(tree: MovingTree, work: Messages, target: Target, node: int, way: int) -> None:
    """Swap the sibling of an inner node with its first (way 1) or second (way 2) child."""
    above = tree.up[node]
    side = 0 if tree.kids[above, 1] == node else 1
    sibling, child = tree.kids[above, side], tree.kids[node, way - 1]
    tree.kids[above, side], tree.kids[node, way - 1] = child, sibling
    tree.up[sibling], tree.up[child] = node, above
    tree.clades[node] ^= tree.clades[child] ^ tree.clades[sibling]
    tree.sizes[node] += tree.sizes[sibling] - tree.sizes[child]
    update_down(tree, work, node, target.blocks)
    update_up(tree, work, node, target.blocks)


@kernel(inner=True)
def may_rearrange(tree: MovingTree, rules: Rules, node: int, way: int) -> bool:
    """Whether the tree rearranged in a way, see `rearrange`, would satisfy rules; the tree is as it was afterwards."""
    above = tree.up[node]
    side = 0 if tree.kids[above, 1] == node else 1
    sibling, child = tree.kids[above, side], tree.kids[node, way - 1]
    tree.kids[above, side], tree.kids[node, way - 1] = child, sibling
    allowed = keeps_rules(tree.kids, tree.top[0], rules)
    tree.kids[above, side], tree.kids[node, way - 1] = sibling, child
    return allowed


@kernel(inner=True)
def log_reference_of(tree: MovingTree, reference: Reference, node: int, way: int) -> tuple[float, float, float]:
    """Log probability of the two subsplits at an inner edge rearranged in a way, shape and rate of its length."""
    above = tree.up[node]
    sibling = tree.kids[above, 0] if tree.kids[above, 1] == node else tree.kids[above, 1]
    a, b, c = sibling, tree.kids[node, 0], tree.kids[node, 1]
    if way == 1:
        a, b = b, a
    elif way == 2:
        a, c = c, a
    clades, sizes = tree.clades, tree.sizes
    inner = clades[b] ^ clades[c]
    value = log_subsplit(reference, clades[b], clades[c], sizes[b], sizes[c])
    value += log_subsplit(reference, inner, clades[a], sizes[b] + sizes[c], sizes[a])
    shape, rate = length_row(reference, inner)
    return value, shape, rate


@kernel(inner=True)
def _share_rearranged(rearrangements: float, certainty: float, length: float) -> float:
    return rearrangements * (_FEWEST + (1.0 - _FEWEST) / (1.0 + (certainty * length) ** 2))


@kernel(inner=True)
def _log_choice(rearrangements: float, certainty: float, length: float, ways: int) -> float:
    """Log probability, up to a constant, of the choice to try other arrangements at an inner edge or not to."""
    if certainty == 0.0:
        return 0.0
    share = _share_rearranged(rearrangements, certainty, length)
    return math.log(share) if ways == 3 else math.log(1.0 - share)


@kernel(inner=True)
def move_edge(
    tree: MovingTree, work: Messages, target: Target, node: int, total: np.ndarray, rearrangements: float,
    certainty: float, greedy: bool, generator: np.random.Generator,
) -> int:  # fmt: skip
    """One move at the edge above a node whose messages D and U are right; they are right after it.

    Arguments:
        tree: changed.
        work: messages.
        target: density to sample.
        node: the one below the edge.
        total: (1,) tree length.
        rearrangements: probability that arrangements are tried at a very short inner edge, not its length alone; ...
        certainty: ... of the rest above a quarter, half at the length at which this times the length is 1.
        greedy: take the best arrangement at its mode in place of a draw.
        generator: source of the draws.

    Returns:
        0: nothing changed, 1: the length, 2: the arrangement too.
    """
    spectra, blocks, prior, beta = target.spectra, target.blocks, target.prior, target.beta
    rows, scratch = work.rows, work.scratch
    n, n_nodes = len(blocks.category), len(tree.up)
    n_taxa = (n_nodes + 2) // 2
    spare = 2 * n_nodes * n
    x = math.log(tree.lengths[node])
    rest = total[0] - tree.lengths[node]
    at_tip = node < n_taxa or node == tree.top[0]
    power = prior.tip if at_tip else prior.inner
    start = target.typical[0 if at_tip else 1]
    share = _share_rearranged(rearrangements, certainty, tree.lengths[node])
    ways = 1 if at_tip or (share < 1.0 and generator.random() >= share) else 3
    chosen = 0.0 if at_tip else _log_choice(rearrangements, certainty, tree.lengths[node], ways)
    constants, shapes, rates, log_mass = scratch.ways[0], scratch.ways[1], scratch.ways[2], scratch.ways[3]
    constants[:] = shapes[:] = rates[:] = 0.0
    log_mass[:] = -np.inf
    barred = scratch.barred
    barred[:] = False
    if ways == 3 and len(target.rules.group) > 0:
        for way in range(1, 3):
            barred[way] = not may_rearrange(tree, target.rules, node, way)
    if ways == 1:
        tabulate_edge_above(work, node, spare + 4 * n, spectra, blocks)
    else:
        above = tree.up[node]
        sibling = tree.kids[above, 0] if tree.kids[above, 1] == node else tree.kids[above, 1]
        first, second = tree.kids[node, 0], tree.kids[node, 1]
        sources = (
            source_above(work, above, n),
            source_below(work, sibling, n),
            source_below(work, first, n),
            source_below(work, second, n),
        )
        tabulate_arrangements(rows, sources, spare + 4 * n, spectra, blocks, scratch)
    if beta < 1.0:
        if ways == 1:
            shapes[0], rates[0] = length_row(target.reference, tree.clades[node])
        else:
            for way in range(3):
                value, shapes[way], rates[way] = log_reference_of(tree, target.reference, node, way)
                constants[way] = (1.0 - beta) * (value + gamma_constant(shapes[way], rates[way]))
    if not greedy and generator.random() < _RANDOM_STEPS:
        new = x + _STEP * generator.standard_normal()
        table = spare + 4 * n
        way = int(generator.random() * ways)
        if barred[way]:
            return 0
        change = edge_density(
            rows, table + way * n, new, power, prior, rest, beta, shapes[way], rates[way], spectra, blocks, scratch
        ) - edge_density(rows, table, x, power, prior, rest, beta, shapes[0], rates[0], spectra, blocks, scratch)
        if not at_tip:
            change += _log_choice(rearrangements, certainty, math.exp(new), ways) - chosen
        if not math.log(1.0 - generator.random()) < change + constants[way] - constants[0]:
            return 0
        set_length(tree, work, target, node, new, total)
        if way > 0:
            rearrange(tree, work, target, node, way)
            return 2
        return 1
    table = spare + 4 * n
    if ways == 3:
        for way in range(3):
            if barred[way]:
                continue
            log_mass[way] = constants[way] + edge_density(
                rows,
                table + way * n,
                start,
                power,
                prior,
                rest,
                beta,
                shapes[way],
                rates[way],
                spectra,
                blocks,
                scratch,
            )
        best = max(log_mass[0], max(log_mass[1], log_mass[2]))
    else:
        best = -np.inf
    fit0 = fit1 = fit2 = Fit(0.0, 1.0, -np.inf, -np.inf)
    if ways == 1 or log_mass[0] > best - _HOPELESS:
        fit0 = fit_edge(
            rows, table, start, power, prior, rest, beta, shapes[0], rates[0], ways == 3, spectra, blocks, scratch
        )
    way = 0
    if ways == 3:
        if log_mass[1] > best - _HOPELESS:
            fit1 = fit_edge(
                rows, table + n, start, power, prior, rest, beta, shapes[1], rates[1], True, spectra, blocks, scratch
            )
        if log_mass[2] > best - _HOPELESS:
            fit2 = fit_edge(
                rows, table + 2 * n, start, power, prior, rest, beta, shapes[2], rates[2], True, spectra, blocks,
                scratch,
            )  # fmt: skip
        m0, m1, m2 = fit0.log_mass + constants[0], fit1.log_mass + constants[1], fit2.log_mass + constants[2]
        top = max(m0, max(m1, m2))
        e0, e1, e2 = math.exp(m0 - top), math.exp(m1 - top), math.exp(m2 - top)
        if greedy:
            way = 0 if e0 == 1.0 else (1 if e1 == 1.0 else 2)
        else:
            place = generator.random() * (e0 + e1 + e2)
            way = 0 if place < e0 else (1 if place < e0 + e1 else 2)
    fit = fit0 if way == 0 else (fit1 if way == 1 else fit2)
    if greedy:
        new = fit.mode
    else:
        new = draw_length(fit, generator)
        proposed = edge_density(
            rows, table + way * n, new, power, prior, rest, beta, shapes[way], rates[way], spectra, blocks, scratch
        ) - fit_log_prob(fit, new)
        present = edge_density(
            rows, table, x, power, prior, rest, beta, shapes[0], rates[0], spectra, blocks, scratch
        ) - fit_log_prob(fit0, x)
        if not at_tip:
            proposed += _log_choice(rearrangements, certainty, math.exp(new), ways) - chosen
        if fit0.log_density == -np.inf or not math.log(1.0 - generator.random()) < proposed - present:
            return 0
    set_length(tree, work, target, node, new, total)
    if way > 0:
        rearrange(tree, work, target, node, way)
        return 2
    return 1
