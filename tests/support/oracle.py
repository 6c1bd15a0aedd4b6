"""Subsplit Bayesian networks by definition: rooted trees as sets of clades, tables as dictionaries."""

import math
from collections import defaultdict

from vbpi_mix.phylo import clades

ROOT = "root"


def clade_names(topology):
    """The clade of every node of a topology (the side without taxon 0), as frozensets."""
    n = topology.n_taxa
    names = [frozenset([i]) for i in range(n)]
    for left, right in topology.children.tolist():
        names.append(names[left] | names[right])
    return names


def rootings(topology):
    """For every edge, the rooted tree's (parent, child) pairs, found by walking away from the edge.

    A parent is (sibling clade, focal clade) or ROOT, a child the set of two clades that the focal one splits into.
    """
    n = topology.n_taxa
    neighbours = defaultdict(set)
    for i, pair in enumerate(topology.children.tolist()):
        for child in pair:
            neighbours[n + i].add(child)
            neighbours[child].add(n + i)
    neighbours[0].add(2 * n - 3)
    neighbours[2 * n - 3].add(0)

    def tips(node, away_from):
        if node < n:
            return frozenset([node])
        return frozenset().union(*(tips(x, node) for x in neighbours[node] if x != away_from))

    def descend(node, away_from, sibling):
        if node < n:
            return []
        a, b = (x for x in neighbours[node] if x != away_from)
        clade_a, clade_b = tips(a, node), tips(b, node)
        return [
            ((sibling, clade_a | clade_b), frozenset([clade_a, clade_b])),
            *descend(a, node, clade_b),
            *descend(b, node, clade_a),
        ]

    result = []
    for x in sorted(neighbours):
        for y in sorted(neighbours[x]):
            if x < y:
                side_x, side_y = tips(x, y), tips(y, x)
                pairs = [(ROOT, frozenset([side_x, side_y]))]
                result.append(pairs + descend(x, y, side_y) + descend(y, x, side_x))
    assert len(result) == 2 * n - 3
    return result


def all_pairs(topologies):
    """Every pair of every rooting of some topologies: what the support must hold."""
    return {pair for topology in topologies for pairs in rootings(topology) for pair in pairs}


def described_entries(support):
    """The (parent, child) pair that each table entry stands for, written down from the documented numbering."""
    n = support.n_taxa
    everything = frozenset(range(n))
    split = [frozenset(i for i in range(n) if row[i]) for row in clades.members(support.splits, n)]
    entries = [(ROOT, frozenset([x, everything - x])) for x in split]
    parts = [(split[a], split[b], everything - split[c]) for a, b, c in support.tripartitions.tolist()]
    for part in parts:
        for k in range(3):
            rest = [part[i] for i in range(3) if i != k]
            entries.append(((part[k], everything - part[k]), frozenset(rest)))
    for upper, lower, side in support.adjacencies.tolist():
        sister, beyond = parts[upper][1 - side], parts[upper][2]
        left, right = parts[lower][:2]
        clade = left | right
        assert clade == parts[upper][side]
        below, above = frozenset([left, right]), frozenset([sister, beyond])
        entries += [((sister, clade), below), ((beyond, clade), below)]
        entries += [((right, everything - clade), above), ((left, everything - clade), above)]
    return entries


def log_q(topology, tables):
    """log of the sum over rootings of the product of the pairs' probabilities; pairs not in `tables` have none."""
    total = sum(math.prod(tables.get(pair, 0.0) for pair in pairs) for pairs in rootings(topology))
    return math.log(total) if total > 0 else -math.inf


def softmax_tables(entries, logits):
    """{(parent, child): probability} from the logits of the described entries, one softmax per parent."""
    sums = defaultdict(float)
    for (parent, _), logit in zip(entries, logits, strict=True):
        sums[parent] += math.exp(logit)
    return {pair: math.exp(x) / sums[pair[0]] for pair, x in zip(entries, logits, strict=True)}
