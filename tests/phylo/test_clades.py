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


def _rows_that_share_a_hash() -> np.ndarray:
    """Rows (2, 2): the hash of a first word is undone by the second."""
    first = np.array([3, 12345678901234567], dtype=np.uint64)
    after_one = clades._row_hashes(first[:, None])
    second = np.array([9, 0], dtype=np.uint64)
    second[1] = after_one[0] ^ second[0] ^ after_one[1]
    return np.column_stack([first, second])


@pytest.mark.parametrize("dtype", [np.uint64, np.int64, np.uint8])
@pytest.mark.parametrize("n_columns", [1, 2, 5])
def test_distinct_rows(dtype, n_columns):
    rows = np.random.default_rng(n_columns).integers(0, 3, (400, n_columns)).astype(dtype)
    distinct, position = clades.unique_rows(rows)
    assert (distinct[position] == rows).all()
    expected = sorted({row.tobytes() for row in rows})
    assert [row.tobytes() for row in distinct] == expected, "in the order of their bytes, each once"


def test_distinct_rows_of_none():
    distinct, position = clades.unique_rows(np.zeros((0, 3), dtype=np.uint64))
    assert distinct.shape == (0, 3)
    assert position.shape == (0,)


def test_rows_that_share_a_hash_stay_apart():
    pair = _rows_that_share_a_hash()
    assert clades._row_hashes(pair)[0] == clades._row_hashes(pair)[1]
    distinct, position = clades.unique_rows(np.concatenate([pair, pair[::-1]]))
    assert len(distinct) == 2
    assert (distinct[position] == np.concatenate([pair, pair[::-1]])).all()
