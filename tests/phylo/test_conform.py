import numpy as np
import pytest

from tests.phylo.test_constraint_counts import clade, constraint, names
from vbpi_mix.phylo import all_topologies, random_topologies
from vbpi_mix.phylo.conform import conform, excess
from vbpi_mix.phylo.constraints import Constraints
from vbpi_mix.phylo.distances import robinson_foulds

N = 10
CASES = {
    "clades": [constraint(N, clade(N, 1, 2, 3, 4), clade(N, 6, 7))],
    "backbone": [constraint(N, ((0, 1), (2, 3, 9)), ((0, 1, 2), (3, 9)))],
    "negative": [constraint(N, clade(N, 1, 2), negative=True)],
    "mixed": [
        constraint(N, clade(N, 1, 2, 3)),
        constraint(N, ((4, 5), (6, 7))),
        constraint(N, clade(N, 1, 2), negative=True),
    ],
}


@pytest.mark.parametrize("each", CASES.values(), ids=CASES)
def test_allowed_topologies_come_out(each):
    generator = np.random.default_rng(1)
    constraints = Constraints(taxa=names(N), each=tuple(each))
    given = random_topologies(12, N, generator)
    moved, origin = conform(given, constraints, generator)
    assert constraints.allows(moved).all()
    assert len(np.unique(origin)) == moved.n_trees == given.n_trees
    kept = constraints.allows(given[origin])
    assert (moved.children[kept] == given.children[origin][kept]).all()


def test_a_topology_close_to_allowed_ones_moves_little():
    """One taxon outside its clade: one regraft, so at most a few splits change."""
    generator = np.random.default_rng(2)
    constraints = Constraints(taxa=names(N), each=(constraint(N, clade(N, 7, 8, 9)),))
    allowed = conform(random_topologies(1, N, generator), constraints, generator)[0]
    from vbpi_mix.phylo import nni_neighbours

    near = nni_neighbours(allowed)
    broken = near[~constraints.allows(near)]
    moved, origin = conform(broken, constraints, generator)
    for i, tree in enumerate(moved):
        assert robinson_foulds(tree, next(iter(broken[[int(origin[i])]]))) == 2


def test_no_excess_means_allowed():
    each = (
        constraint(7, clade(7, 1, 2, 3)),
        constraint(7, ((0, 4), (2, 5))),
        constraint(7, clade(7, 1, 2), negative=True),
    )
    constraints = Constraints(taxa=names(7), each=each)
    every = all_topologies(7)
    assert ((excess(every, constraints) == 0) == constraints.allows(every)).all()
