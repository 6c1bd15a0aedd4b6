import numpy as np
import pytest

from tests.statistics import assert_frequencies
from vbpi_mix.errors import BackendError
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.phylo import all_topologies
from vbpi_mix.support.polytomies import resolve_newick

RNG = np.random.default_rng(15)


@pytest.mark.parametrize(
    "text",
    [
        "(0:0.1,1:0.2,((2:1e-05,3:2):0.5,4:.1)0.98:0.3);",
        "((0,1),((2,3),4));",
        "(((2,3),4),(0,1));\n",
        "(((1,0),4),2,3);",
    ],
)
def test_binary_trees_are_read_as_they_are(text):
    expected, _ = parse_newick(text.strip(), [str(i) for i in range(5)])
    np.testing.assert_array_equal(resolve_newick(text, 5, RNG).children, expected.children)


def keys(topologies):
    return {x.children.tobytes(): i for i, x in enumerate(topologies)}


@pytest.mark.parametrize("text", ["(0,1,2,3,4,5);", "((0,1,2,3,4),5);"])
def test_a_star_becomes_any_topology_alike(text):
    index = keys(all_topologies(6))
    counts = np.zeros(105)
    for _ in range(3000):
        counts[index[resolve_newick(text, 6, RNG).children.tobytes()]] += 1
    assert_frequencies(counts, np.full(105, 1 / 105))


def test_splits_beside_a_polytomy_are_kept():
    index = keys(all_topologies(6))
    found = {index[resolve_newick("((0,1,2),3,(4,5));", 6, RNG).children.tobytes()] for _ in range(200)}
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(0,1,2,3);", "tree of 5 tips"),
        ("(0,1,2,3,4)); (", "no complete tree"),
        ("0,1,2,3,4;", "no complete tree"),
        ("(0,1,2,3,(4);", "no complete tree"),
        ("(0,1,2,3,3);", "tip '3'"),
        ("(0,1,2,3,x);", "tip 'x'"),
        ("(0,1,2,3,5);", "tip '5'"),
        ("", "no complete tree"),
    ],
)
def test_what_is_no_tree(text, message):
    with pytest.raises(BackendError, match=message):
        resolve_newick(text, 5, RNG)
