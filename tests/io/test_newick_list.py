"""The fast reader against the careful one, tree by tree."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.labels import TaxonLabels
from vbpi_mix.io.newick import read_tree
from vbpi_mix.io.newick_kernels import MULTIFURCATING, READ, REFUSED
from vbpi_mix.io.newick_list import TopologyReader
from vbpi_mix.phylo import random_topologies

TAXA = ("a b", "it's", "c", "d", "Ünicode", "f", "g", "h")
FOUR = tuple("abcd")
WRITTEN = ("'a b'", "'it''s'", "c", '"d"', "Ünicode", "f", "g", "h")


def read(texts, taxa=TAXA, translate=None):
    """Children and status of trees that stand one after the other, with something between them."""
    buffer, spans = b"", []
    for text in texts:
        buffer += b" tree x = "
        spans.append((len(buffer), len(buffer) + len(text.encode()) - 1))
        buffer += text.encode()
    return TopologyReader(TaxonLabels(taxa), translate).read(buffer, np.array(spans))


def test_random_trees_in_any_writing():
    generator = np.random.default_rng(1)
    texts = []
    for topology in random_topologies(200, len(TAXA), generator):
        text = topology.newick(WRITTEN, generator.exponential(0.1, 2 * len(TAXA) - 3).tolist())
        texts.append(text.replace(",", " , [a comment, (with brackets)]" if generator.random() < 0.3 else ","))
    children, status = read(texts)
    assert (status == READ).all()
    expected = [read_tree(text, TaxonLabels(TAXA))[0].children for text in texts]
    np.testing.assert_array_equal(children, expected)


def test_numbers_of_a_translate_table():
    translate = {str(i + 1): name for i, name in enumerate(("'a b'", "c", "d", "f"))}
    children, status = read(["(1,2,(3,4));"], ("a b", "c", "d", "f"), translate)
    assert status.tolist() == [READ]
    np.testing.assert_array_equal(
        children[0], read_tree("('a b',c,(d,f));", TaxonLabels(("a b", "c", "d", "f")))[0].children
    )


@pytest.mark.parametrize(
    "wrong", ["(a,b,(c,c));", "(a,b,(c,e));", "(a,b,c);", "(a,b,(c,d);", "(a,b(c,d));", "(a,b,(c,d))x y;"]
)
def test_what_the_careful_reader_refuses_is_refused(wrong):
    with pytest.raises(InputError):
        read_tree(wrong, TaxonLabels(FOUR))
    _, status = read(["(a,b,(c,d));", wrong, "((a,c),b,d);"], FOUR)
    assert status.tolist() == [READ, REFUSED, READ]


def test_multifurcations_are_told_from_errors():
    assert read(["(a,b,c,d);", "(a,(b,c,d));"], FOUR)[1].tolist() == [MULTIFURCATING] * 2
