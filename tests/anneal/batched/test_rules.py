"""Constraints tested on tensors are those of the compiled moves."""

import numpy as np
import pytest
import torch

from tests.phylo.test_constraint_counts import EXAMPLES, names
from vbpi_mix.anneal.batched.rules import BatchedRules
from vbpi_mix.anneal.batched.trees import make_trees
from vbpi_mix.anneal.rules import make_rules
from vbpi_mix.phylo import random_topologies
from vbpi_mix.phylo.constraints import Constraints

CPU = torch.device("cpu")


@pytest.mark.parametrize(("n", "each"), [(n, each) for n, *_, each in EXAMPLES])
def test_equal_to_the_plain_definition(n, each):
    constraints = Constraints(taxa=names(n), each=tuple(each))
    topologies = random_topologies(300, n, np.random.default_rng(4))
    found = BatchedRules(make_rules(constraints), CPU).keep(make_trees(topologies, CPU))
    np.testing.assert_array_equal(found.numpy(), constraints.allows(topologies))


def test_without_constraints_all_trees_are_kept():
    topologies = random_topologies(5, 6, np.random.default_rng(4))
    assert BatchedRules(make_rules(None), CPU).keep(make_trees(topologies, CPU)).all()
