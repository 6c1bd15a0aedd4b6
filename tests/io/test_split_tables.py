import numpy as np
import pytest

from tests.posterior.examples import made_up_draws
from vbpi_mix.errors import InputError
from vbpi_mix.io.split_tables import is_split_table, read_splits
from vbpi_mix.phylo import clades
from vbpi_mix.posterior import summarise_splits, write_splits

TAXA = ("a", "b", "c, d", "e", "f")


def write(tmp_path, *rows, header="probability\ttaxa"):
    path = tmp_path / "splits.tsv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_what_write_splits_wrote(tmp_path):
    splits = summarise_splits(made_up_draws())
    path = tmp_path / "splits.tsv"
    write_splits(splits, path)
    assert is_split_table(path)
    found, probability = read_splits(path, splits.taxa)
    assert (found == splits.clades).all()
    np.testing.assert_allclose(probability, splits.frequency, rtol=1e-5)


def test_either_side_and_quotes(tmp_path):
    path = write(tmp_path, "0.9\ta,b", "0.4\te,f", "1\tb", "", "0.3\t'c, d',b")
    found, probability = read_splits(path, TAXA)
    np.testing.assert_array_equal(found[0], clades.from_taxa([2, 3, 4], 5))
    np.testing.assert_array_equal(found[1], clades.from_taxa([3, 4], 5))
    np.testing.assert_array_equal(found[2], clades.from_taxa([1, 2], 5))
    np.testing.assert_allclose(probability, [0.9, 0.4, 0.3])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["0.9\ta,x"], "line 2: .*taxa .*'x'"),
        (["1.2\ta,b"], "line 2: '1.2' .*probability"),
        (["0.9\ta,b", "0.1\te,f,'c, d'"], "line 3: .*split .*twice"),
        (["0.9"], "line 2: 1 columns"),
    ],
)
def test_bad_rows(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_splits(write(tmp_path, *rows), TAXA)


def test_other_tables(tmp_path):
    path = write(tmp_path, "1\t(a,b,c);", header="probability\tnewick")
    assert not is_split_table(path)
    with pytest.raises(InputError, match="no table of splits"):
        read_splits(path, TAXA)


def test_the_reference_tables(shared_data):
    path = shared_data / "phylo" / "reference_posteriors" / "DS1.golden.splits.tsv.gz"
    assert is_split_table(path)
