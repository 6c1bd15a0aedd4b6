"""Counts and draws under constraints, against all topologies of up to eight taxa."""

import math

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import all_topologies, log_n_topologies
from vbpi_mix.phylo.constraint_counts import count_topologies, random_allowed
from vbpi_mix.phylo.constraints import Constraint, Constraints, clade_constraint, displayed

# chi-square tests below fail by chance once in 100,000 runs
_RARE = 1e-5


def names(n):
    return tuple(f"t{i}" for i in range(n))


def constraint(n, *splits, negative=False):
    inside, outside = np.zeros((2, len(splits), n), dtype=bool)
    for row, (a, b) in enumerate(splits):
        inside[row, list(a)] = True
        outside[row, list(b)] = True
    return Constraint(taxa=names(n), inside=inside, outside=outside, negative=negative)


def clade(n, *members):
    return tuple(members), tuple(i for i in range(n) if i not in members)


EXAMPLES = [
    (4, [constraint(4, clade(4, 2, 3))]),
    (6, [constraint(6, clade(6, 0, 1), clade(6, 3, 4, 5))]),
    (7, [constraint(7, clade(7, 1, 2, 3)), constraint(7, clade(7, 1, 2), negative=True)]),
    (8, [constraint(8, clade(8, 1, 2, 3, 4), clade(8, 6, 7))]),
    (8, [constraint(8, ((0, 1), (2, 3)))]),
    (8, [constraint(8, ((0, 1), (2, 3, 4)), ((0, 1, 2), (3, 4)))]),
    (8, [constraint(8, ((0, 1), (2, 3)), ((4, 5), (6, 7)))]),
    (7, [constraint(7, ((0, 1), (2, 3)), ((1, 2), (4, 5)))]),
    (8, [constraint(8, clade(8, 4, 5, 6, 7)), constraint(8, ((0, 1), (2, 5))), constraint(8, ((4, 5), (6, 0)))]),
    (7, [constraint(7, clade(7, 1, 2), negative=True), constraint(7, clade(7, 3, 4), negative=True)]),
    (7, [constraint(7, clade(7, 1, 2), clade(7, 3, 4), negative=True)]),
    (6, [constraint(6, clade(6, 1, 2)), constraint(6, clade(6, 2, 3))]),
    (5, [constraint(5, ((0, 1), (2, 3))), constraint(5, ((0, 1), (2, 3)), negative=True)]),
    (6, []),
]


@pytest.mark.parametrize(("n", "each"), EXAMPLES)
def test_counts_are_those_of_enumeration(n, each):
    constraints = Constraints(taxa=names(n), each=tuple(each))
    number = int(constraints.allows(all_topologies(n)).sum())
    found = count_topologies(constraints)
    assert found.exact
    assert found.log == (pytest.approx(math.log(number), abs=1e-12) if number else -math.inf)


@pytest.mark.parametrize("seed", range(12))
def test_random_constraints_are_counted_as_by_enumeration(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(5, 8))
    each = []
    for _ in range(int(generator.integers(1, 4))):
        side = generator.integers(0, 3, size=n) if generator.random() < 0.5 else generator.integers(0, 2, size=n)
        inside, outside = side[None] == 0, side[None] == 1
        each.append(Constraint(taxa=names(n), inside=inside, outside=outside, negative=generator.random() < 0.4))
    constraints = Constraints(taxa=names(n), each=tuple(each))
    number = int(constraints.allows(all_topologies(n)).sum())
    found = count_topologies(constraints)
    assert found.log == (pytest.approx(math.log(number), abs=1e-12) if number else -math.inf)


def test_an_estimated_count_is_within_its_error():
    """Two quartets that share no taxon: independent under the uniform distribution, so the share is a ninth."""
    n = 12
    constraints = Constraints(taxa=names(n), each=(constraint(n, ((0, 1), (2, 3)), ((4, 5), (6, 7))),))
    found = count_topologies(constraints)
    small = Constraints(taxa=names(8), each=(constraint(8, ((0, 1), (2, 3)), ((4, 5), (6, 7))),))
    share = small.allows(all_topologies(8)).mean()  # taxa beyond the eighth change no share
    assert not found.exact
    assert abs(math.exp(found.log - log_n_topologies(n)) - share) < 4.7 * found.relative_error * share


def test_large_trees_have_the_product_formula():
    n = 120
    constraints = Constraints(taxa=names(n), each=(clade_constraint(names(n), list(range(50, 120))),))
    rooted = [math.log(k) for k in range(3, 2 * 70 - 2, 2)], [math.log(k) for k in range(3, 2 * 50 - 2, 2)]
    assert count_topologies(constraints).log == pytest.approx(sum(map(sum, rooted)), rel=1e-12)


def test_draws_are_uniform():
    n = 6
    each = (constraint(n, clade(n, 1, 2, 3)), constraint(n, ((1, 2), (3, 0)), negative=True))
    constraints = Constraints(taxa=names(n), each=each)
    every = all_topologies(n)
    allowed = every[constraints.allows(every)]
    drawn = random_allowed(constraints, 3000, np.random.default_rng(1))
    number = {row.tobytes(): i for i, row in enumerate(allowed.children)}
    counts = np.bincount([number[row.tobytes()] for row in drawn.children], minlength=allowed.n_trees)
    from scipy.stats import chisquare

    assert chisquare(counts).pvalue > _RARE


def test_draws_of_a_backbone_are_uniform():
    n = 6
    constraints = Constraints(taxa=names(n), each=(constraint(n, ((0, 5), (2, 4))),))
    every = all_topologies(n)
    allowed = every[constraints.allows(every)]
    drawn = random_allowed(constraints, 3500, np.random.default_rng(2))
    number = {row.tobytes(): i for i, row in enumerate(allowed.children)}
    counts = np.bincount([number[row.tobytes()] for row in drawn.children], minlength=allowed.n_trees)
    from scipy.stats import chisquare

    assert chisquare(counts).pvalue > _RARE


def test_conflicts_are_named():
    n = 6
    constraints = Constraints(taxa=names(n), each=(constraint(n, clade(n, 1, 2), clade(n, 2, 3)),))
    with pytest.raises(InputError, match="conflict"):
        random_allowed(constraints, 1, np.random.default_rng(1))


def test_a_pendant_split_is_displayed_by_all():
    topologies = all_topologies(5)
    inside = np.eye(5, dtype=bool)[[3]]
    assert displayed(topologies, inside, ~inside).all()
