import pytest

from tests.posterior.questions.examples import SIX, weighted
from vbpi_mix.phylo import nni_neighbours
from vbpi_mix.phylo.distances import robinson_foulds
from vbpi_mix.phylo.topology import stack
from vbpi_mix.posterior.questions.islands import islands


def test_islands_are_apart_by_more_than_an_interchange():
    first = SIX[[0]]
    near = nni_neighbours(first)
    far = next(
        t for t in SIX
        if robinson_foulds(t, next(iter(first))) == 6 and all(robinson_foulds(t, x) > 2 for x in near)
    )  # fmt: skip
    trees = stack([next(iter(first)), next(iter(near)), far])
    found, complete = islands(weighted(trees, [0.5, 0.2, 0.3]), level=0.999)
    assert complete
    assert [i.probability for i in found] == pytest.approx([0.7, 0.3])
    assert [i.n_topologies for i in found] == [2, 1]
    assert (found[1].best.children == far.children).all()
    assert found[1].splits
    assert all(here - elsewhere >= 0.5 for _, here, elsewhere in found[1].splits)
