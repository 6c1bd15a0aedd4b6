"""Constraints as the compiled moves test them."""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from typing import NamedTuple

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.phylo.constraints import Constraints


class Rules(NamedTuple):
    """X splits of some or all taxa in G groups, see `phylo.constraints`; none where all topologies are allowed.

    Arguments:
        inside, outside: (X, N) uint8, the two sides.
        n_inside, n_outside: (X,) their numbers of taxa.
        group: (X,) group of each split.
        negative: (G,) bool, groups of which one split at least must not be displayed; of others all must.
    """

    inside: np.ndarray
    outside: np.ndarray
    n_inside: np.ndarray
    n_outside: np.ndarray
    group: np.ndarray
    negative: np.ndarray


def make_rules(constraints: Constraints | None) -> Rules:
    """The same constraints; None: no rules."""
    each = () if constraints is None else constraints.each
    n = 0 if constraints is None else len(constraints.taxa)
    inside = np.concatenate([np.zeros((0, n), np.uint8), *(c.inside.astype(np.uint8) for c in each)])
    outside = np.concatenate([np.zeros((0, n), np.uint8), *(c.outside.astype(np.uint8) for c in each)])
    return Rules(
        inside=inside,
        outside=outside,
        n_inside=inside.sum(axis=1, dtype=np.int64),
        n_outside=outside.sum(axis=1, dtype=np.int64),
        group=np.repeat(np.arange(len(each)), [c.n_splits for c in each]).astype(np.int64),
        negative=np.array([c.negative for c in each], dtype=np.bool_),
    )


@kernel()
def keeps_rules(kids: np.ndarray, top: int, rules: Rules) -> bool:
    """Whether a tree satisfies all rules.

    Arguments:
        kids: (2N-2, 2) children, used for inner nodes; the tree hangs from taxon 0.
        top: the node next to taxon 0.
        rules: any.
    """
    n_splits = len(rules.group)
    if n_splits == 0:
        return True
    n_nodes = len(kids)
    n_taxa = (n_nodes + 2) // 2
    order = np.empty(n_nodes, np.int64)
    order[0] = top
    count = 1
    for i in range(n_nodes - 1):
        node = order[i]
        if node >= n_taxa:
            order[count], order[count + 1] = kids[node, 0], kids[node, 1]
            count += 2
    a, b = np.zeros(n_nodes, np.int64), np.zeros(n_nodes, np.int64)
    complete = np.ones(len(rules.negative), np.bool_)
    for x in range(n_splits):
        for tip in range(n_taxa):
            a[tip], b[tip] = rules.inside[x, tip], rules.outside[x, tip]
        n_a, n_b = rules.n_inside[x], rules.n_outside[x]
        shown = False
        for i in range(n_nodes - 2, -1, -1):
            node = order[i]
            if node >= n_taxa:
                a[node] = a[kids[node, 0]] + a[kids[node, 1]]
                b[node] = b[kids[node, 0]] + b[kids[node, 1]]
            if (a[node] == n_a and b[node] == 0) or (b[node] == n_b and a[node] == 0):
                shown = True
                break
        if not shown:
            complete[rules.group[x]] = False
    for g in range(len(complete)):  # noqa: SIM110 - compiled
        if complete[g] == rules.negative[g]:
            return False
    return True
