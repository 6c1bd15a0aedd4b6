"""Number of topologies that satisfy constraints, and uniform draws of them.

Splits of all taxa cut a tree into independent nodes: with degrees d the number of topologies that have them is the
product of (2d - 5)!!. A split of fewer taxa that is neither displayed nor contradicted by those concerns one node.
There, splits on the same m of the d directions are counted as a tree of m taxa, to which the other directions are
added on any edge: times (2m - 3) (2m - 1) ... (2d - 5). What is left, splits on different taxa at one node, is
enumerated for few directions and otherwise estimated from uniform draws. Negative constraints are counted by inclusion
and exclusion.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.constraints import Constraint, Constraints, displayed
from vbpi_mix.phylo.enumerate import all_topologies
from vbpi_mix.phylo.topology import TopologyBatch, from_neighbours, stack

Split = tuple[int, int]  # bit masks of both sides

_ENUMERATED = 8
_DRAWS = 20_000
_MOST_NEGATIVES = 12


@dataclass(frozen=True, kw_only=True)
class TopologyCount:
    """A number of topologies.

    Arguments:
        log: natural logarithm of the factor; -inf for none.
        relative_error: standard error as a share of the number; 0 where it is exact.
    """

    log: float
    relative_error: float = 0.0

    @property
    def exact(self) -> bool:
        return self.relative_error == 0.0


def count_topologies(constraints: Constraints, *, seed: int = 1) -> TopologyCount:
    """The number of unrooted binary topologies that satisfy constraints.

    Arguments:
        constraints: any.
        seed: seed of the draws, where the number is estimated.

    Raises:
        InputError: more than twelve negative constraints, or an estimate from draws of which none fits.
    """
    n = len(constraints.taxa)
    generator = np.random.default_rng(seed)
    positive = [s for c in constraints.each if not c.negative for s in splits_of(c)]
    negative = [splits_of(c) for c in constraints.each if c.negative]
    if len(negative) > _MOST_NEGATIVES:
        raise InputError(f"{len(negative)} negative constraints: topologies can be counted for {_MOST_NEGATIVES}")
    whole, variance, estimated = 0, 0.0, False
    scale = double_factorial(2 * n - 5)
    for size in range(len(negative) + 1):
        for chosen in combinations(negative, size):
            number, share_error = _count_positive([*positive, *(s for c in chosen for s in c)], n, generator)
            whole += number if size % 2 == 0 else -number
            variance += (share_error * (number / scale)) ** 2
            estimated |= share_error > 0
    if whole <= 0:
        if estimated:
            raise InputError(f"the number of topologies under the constraints cannot be told from {_DRAWS:,} draws")
        return TopologyCount(log=-math.inf)
    return TopologyCount(log=math.log(whole), relative_error=math.sqrt(variance) / (whole / scale))


def splits_of(constraint: Constraint) -> list[Split]:
    """The splits of a constraint as bit masks."""
    return [(_mask(a), _mask(b)) for a, b in zip(constraint.inside, constraint.outside, strict=True)]


@cache
def double_factorial(k: int) -> int:
    """k!! of an odd k; 1 below 2."""
    return 1 if k < 2 else k * double_factorial(k - 2)


def stars(splits: Sequence[Split], n_taxa: int) -> list[list[int]] | None:
    """The nodes of the tree of some splits of all taxa, each as masks of its directions; None if they conflict."""
    everything = (1 << n_taxa) - 1
    clades = sorted({a if not a & 1 else everything ^ a for a, _ in splits}, key=int.bit_count)
    clades = [c for c in clades if 1 < c.bit_count() < n_taxa - 1]
    for a, b in combinations(clades, 2):
        if a & b and a & b not in (a, b):
            return None
    top = everything ^ 1
    below: dict[int, list[int]] = {clade: [] for clade in [*clades, top]}
    free = {1 << i for i in range(1, n_taxa)}
    for clade in [*clades, top]:  # small ones first: what is inside and has no parent yet is a child
        kids = [x for x in free if x & clade == x]
        below[clade] = sorted(kids)
        free -= set(kids)
        free.add(clade)
    return [[*kids, everything ^ clade] for clade, kids in below.items()]


def random_allowed(constraints: Constraints, n_trees: int, generator: np.random.Generator) -> TopologyBatch:
    """Uniform draws of topologies that satisfy constraints, by rejection from those that satisfy most of them.

    Raises:
        InputError: conflicting constraints, or hardly any draw fits.
    """
    n = len(constraints.taxa)
    positive = [s for c in constraints.each if not c.negative for s in splits_of(c)]
    first = _largest_group(positive)
    found: list[np.ndarray] = []
    missing, tried = n_trees, 0
    while missing > 0:
        some = _uniform(first, n, max(100, missing), generator)
        tried += some.n_trees
        kept = some.children[constraints.allows(some)][:missing]
        found.append(kept)
        missing -= len(kept)
        if tried > _DRAWS and missing == n_trees:
            raise InputError(f"none of {tried:,} topologies drawn at random satisfies the constraints")
    return TopologyBatch(np.concatenate(found))


def _count_positive(splits: list[Split], n_taxa: int, generator: np.random.Generator) -> tuple[int, float]:
    """The number of topologies that display all of the splits, and its relative error."""
    everything = (1 << n_taxa) - 1
    splits = [s for s in dict.fromkeys(splits) if min(s[0].bit_count(), s[1].bit_count()) > 1]
    full = [s for s in splits if s[0] | s[1] == everything]
    nodes = stars(full, n_taxa)
    if nodes is None:
        return 0, 0.0
    at_node: list[list[Split]] = [[] for _ in nodes]
    for a, b in splits:
        if (a, b) in full or any(_separates(x, y, a, b) for x, y in full):
            continue
        for directions, own in zip(nodes, at_node, strict=True):
            inside = sum(1 << i for i, d in enumerate(directions) if d & a)
            outside = sum(1 << i for i, d in enumerate(directions) if d & b)
            if not inside & outside:
                own.append((inside, outside))
                break
        else:
            return 0, 0.0
    number, variance = 1, 0.0
    for directions, own in zip(nodes, at_node, strict=True):
        count, error = _count_star(len(directions), own, generator)
        number, variance = number * count, variance + error**2
    return number, math.sqrt(variance)


def _count_star(n: int, splits: list[Split], generator: np.random.Generator) -> tuple[int, float]:
    """The same for a node of n directions."""
    if not splits:
        return double_factorial(2 * n - 5), 0.0
    group = _largest_group(splits)
    number = _count_group(group, n)
    if len(group) == len(splits) or number == 0:
        return number, 0.0
    inside, outside = _bool_masks(splits, n)
    if n <= _ENUMERATED:
        return int(displayed(all_topologies(n), inside, outside).all(axis=1).sum()), 0.0
    drawn = _uniform(group, n, _DRAWS, generator)
    share = float(displayed(drawn, inside, outside).all(axis=1).mean())
    if share == 0.0:
        raise InputError(
            f"none of {_DRAWS:,} topologies drawn at random satisfies all constraints: they conflict, or so few do "
            "that their number cannot be estimated; use constraints on the same taxa"
        )
    return max(1, round(number * share)), math.sqrt((1 - share) / (share * _DRAWS))


def _count_group(group: list[Split], n: int) -> int:
    """The number of topologies of n taxa that display splits of the same m of them."""
    present = [i for i in range(n) if (group[0][0] | group[0][1]) >> i & 1]
    m = len(present)
    nodes = stars([_on(s, present) for s in group], m)
    if nodes is None:
        return 0
    number = math.prod(double_factorial(2 * len(d) - 5) for d in nodes)
    return number * math.prod(2 * k - 3 for k in range(m, n))


def _uniform(group: list[Split], n: int, n_trees: int, generator: np.random.Generator) -> TopologyBatch:
    """Uniform draws of the topologies of n taxa that display splits of the same taxa, or of all if there is none."""
    present = [i for i in range(n) if not group or (group[0][0] | group[0][1]) >> i & 1]
    if len(present) < 4:
        group, present = [], list(range(n))
    nodes = stars([_on(s, present) for s in group], len(present))
    if nodes is None:
        raise InputError("the constraints conflict: no topology satisfies all of them")
    absent = [i for i in range(n) if i not in present]
    return stack([_resolved(nodes, present, absent, n, generator) for _ in range(n_trees)])


def _resolved(nodes: list[list[int]], present: list[int], absent: list[int], n: int, generator: np.random.Generator):  # noqa: ANN202
    """One uniform resolution of a tree given by its nodes, with the absent taxa on uniform edges."""
    m = len(present)
    everything = (1 << m) - 1
    name: dict[int, int] = {1 << i: present[i] for i in range(m)}
    edges: list[tuple[int, int]] = []
    free = n
    waiting: dict[int, int] = {}  # direction of an inner edge -> node at its near end
    for directions in nodes:
        # edges of a growing star: (direction -1 - k or node, node)
        star = [(-1 - k, free) for k in range(3)]
        free += 1
        for k in range(3, len(directions)):
            a, b = star.pop(int(generator.integers(len(star))))
            star += [(a, free), (b, free), (-1 - k, free)]
            free += 1
        for a, b in star:
            direction = directions[-1 - a] if a < 0 else 0
            if a >= 0:
                edges.append((a, b))
            elif direction in name:
                edges.append((name[direction], b))
            elif everything ^ direction in waiting:
                edges.append((waiting[everything ^ direction], b))
            else:
                waiting[direction] = b
    for taxon in absent:
        a, b = edges.pop(int(generator.integers(len(edges))))
        edges += [(a, free), (free, b), (taxon, free)]
        free += 1
    neighbours: list[list[int]] = [[] for _ in range(2 * n - 2)]
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    return from_neighbours(neighbours, n)[0]


def _largest_group(splits: Sequence[Split]) -> list[Split]:
    """The splits on the taxa that most of them are on, or that are most."""
    groups: dict[int, list[Split]] = {}
    for a, b in splits:
        groups.setdefault(a | b, []).append((a, b))
    return max(groups.values(), key=lambda g: (len(g), (g[0][0] | g[0][1]).bit_count()), default=[])


def _separates(x: int, y: int, a: int, b: int) -> bool:
    return (a & x == a and b & y == b) or (a & y == a and b & x == b)


def _on(split: Split, present: list[int]) -> Split:
    a, b = (sum(1 << i for i, t in enumerate(present) if side >> t & 1) for side in split)
    return a, b


def _mask(row: np.ndarray) -> int:
    return sum(1 << i for i in np.flatnonzero(row).tolist())


def _bool_masks(splits: list[Split], n: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = (
        np.array([[side >> i & 1 for i in range(n)] for side in sides], bool) for sides in zip(*splits, strict=True)
    )
    return a, b
