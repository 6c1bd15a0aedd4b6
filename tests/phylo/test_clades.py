import numpy as np
import pytest

from vbpi_mix.phylo import clades

SIZES = [3, 63, 64, 65, 128, 129, 200]


@pytest.mark.parametrize("n_taxa", SIZES)
def test_sets_against_python_integers(n_taxa):
    generator = np.random.default_rng(n_taxa)
    for _ in range(20):
        taxa = np.flatnonzero(generator.random(n_taxa) < generator.random()).tolist()
        words = clades.from_taxa(taxa, n_taxa)
        assert words.shape == (clades.n_words(n_taxa),)
        assert sum(int(w) << (64 * i) for i, w in enumerate(words)) == sum(1 << t for t in taxa)
        assert np.flatnonzero(clades.members(words, n_taxa)).tolist() == taxa
        assert int(clades.sizes(words)) == len(taxa)


@pytest.mark.parametrize("n_taxa", SIZES)
def test_singletons_and_full_set(n_taxa):
    single = clades.singletons(n_taxa)
    assert (clades.members(single, n_taxa) == np.eye(n_taxa, dtype=bool)).all()
    assert (clades.sizes(single) == 1).all()
    assert int(clades.sizes(clades.full_set(n_taxa))) == n_taxa
    assert clades.members(clades.full_set(n_taxa), n_taxa).all()


def test_words():
    assert [clades.n_words(n) for n in (1, 64, 65, 128, 129)] == [1, 1, 2, 2, 3]


def test_shapes_of_many_sets():
    words = clades.singletons(130).reshape(2, 65, 3)
    assert clades.members(words, 130).shape == (2, 65, 130)
    assert clades.sizes(words).shape == (2, 65)
    assert clades.sizes(words[:, ::2]).sum() == 66, "also of an array that is not contiguous"
