import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.evaluate.distances.splits import SplitTable, pooled_splits, split_agreement, split_table
from vbpi_mix.phylo import clades, random_topologies
from vbpi_mix.phylo.distances import split_frequencies

TAXA = tuple("abcdef")


def table(**frequency):
    """A table from the taxa of one side, such as bc=0.4."""
    words = [clades.from_taxa([TAXA.index(x) for x in name], 6) for name in frequency]
    return SplitTable(taxa=TAXA, clades=np.array(words), frequency=np.array(list(frequency.values())))


def test_frequencies_are_those_of_the_plain_count():
    generator = np.random.default_rng(1)
    topologies = random_topologies(50, 9, generator)
    weights = generator.random(50)
    taxa = tuple("abcdefghi")
    found = split_table(taxa, topologies, weights)
    expected = split_frequencies(topologies, weights)
    assert {w.tobytes(): pytest.approx(f) for w, f in zip(found.clades, found.frequency, strict=True)} == expected
    assert (found.frequency <= 1).all()


def test_asdsf_by_hand():
    first, second, third = table(bc=1.0, de=0.5, ef=0.05), table(bc=0.9, de=0.7, cd=0.08), table(bc=1.0, de=0.6)
    two = split_agreement([first, second])
    # ef and cd stay below 0.1 everywhere; the sample deviation of two is |p - q| / sqrt 2
    assert two.n_compared == 2
    assert two.asdsf == pytest.approx((0.1 + 0.2) / 2 / np.sqrt(2))
    assert two.max_difference == pytest.approx(0.2)
    assert two.members(two.worst()) == ("d", "e")
    three = split_agreement([first, second, third])
    assert three.asdsf == pytest.approx((np.std([1, 0.9, 1], ddof=1) + np.std([0.5, 0.7, 0.6], ddof=1)) / 2)
    assert three.frequencies.shape == (3, 4)
    assert three.frequencies[:, 0] == pytest.approx([1, 0.9, 1])


def test_a_threshold_that_nothing_reaches():
    agreement = split_agreement([table(bc=0.01), table(de=0.02)])
    assert (agreement.asdsf, agreement.max_difference, agreement.n_compared) == (0.0, 0.0, 0)
    assert agreement.worst() is None


def test_the_smaller_side_is_named():
    agreement = split_agreement([table(cdef=0.9), table(cdef=0.4)])
    assert agreement.members(0) == ("a", "b")


def test_other_taxa_and_too_few():
    other = SplitTable(taxa=TAXA[::-1], clades=np.zeros((0, 1), np.uint64), frequency=np.zeros(0))
    with pytest.raises(InputError, match="same taxa"):
        split_agreement([table(bc=1.0), other])
    with pytest.raises(InputError, match="two posteriors"):
        split_agreement([table(bc=1.0)])


def test_pooled_tables_are_the_table_of_all_trees():
    generator = np.random.default_rng(4)
    topologies = random_topologies(60, 8, generator)
    weights = generator.exponential(size=60)
    taxa = tuple("abcdefgh")
    cuts = [slice(0, 10), slice(10, 11), slice(11, 60)]
    parts = [split_table(taxa, topologies[cut], weights[cut]) for cut in cuts]
    whole = split_table(taxa, topologies, weights)
    pooled = pooled_splits(parts, [weights[cut].sum() for cut in cuts])
    assert np.array_equal(pooled.clades, whole.clades)
    assert pooled.frequency == pytest.approx(whole.frequency, rel=1e-12)
    with pytest.raises(InputError, match="same taxa"):
        pooled_splits([whole, split_table(tuple("ABCDEFGH"), topologies, weights)], [1, 1])
    with pytest.raises(InputError, match="same taxa"):
        pooled_splits([], [])
