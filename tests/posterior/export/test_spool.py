import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.posterior.export.spool import ColumnSpool, Spool, TreeSpool


def test_rows_come_back(tmp_path):
    spool = Spool(tmp_path, np.dtype(np.float64))
    for part in np.array_split(np.arange(100.0), 7):
        spool.append(part)
    assert spool.n_rows == 100
    np.testing.assert_array_equal(np.concatenate(list(spool.chunks(9))), np.arange(100))
    np.testing.assert_array_equal(spool.take(np.array([99, 0, 50])), [99, 0, 50])
    np.testing.assert_array_equal(spool.read(95, 50), np.arange(95, 100))
    assert list(tmp_path.iterdir()) == [], "the file has a name"


def test_two_readers_do_not_disturb_each_other(tmp_path):
    spool = Spool(tmp_path, np.dtype(np.float64))
    spool.append(np.arange(20.0))
    for first, second in zip(spool.chunks(4), spool.chunks(4), strict=True):
        np.testing.assert_array_equal(first, second)


def test_columns_of_rows(tmp_path):
    table = np.arange(60.0).reshape(3, 20)
    spool = ColumnSpool(tmp_path, n_columns=3, n_rows=20)
    for first in (0, 8, 16):
        spool.write(first, table[:, first : first + 8])
    for i in range(3):
        np.testing.assert_array_equal(spool.column(i), table[i])


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="temporary file"):
        TreeSpool(tmp_path / "absent", 5)


@pytest.mark.parametrize(("n_parameters", "n_coordinates"), [(0, 0), (10, 8)])
def test_trees_come_back_with_their_parameters(tmp_path, n_parameters, n_coordinates):
    generator = np.random.default_rng(1)
    columns = {
        "children": generator.integers(0, 9, (20, 3, 2)),
        "branch_lengths": generator.random((20, 7)),
        "log_likelihood": generator.random(20),
        "log_prior": generator.random(20),
        "log_weight": generator.random(20),
        "component": generator.integers(0, 3, 20),
        "parameters": generator.random((20, n_parameters)),
        "coordinates": generator.random((20, n_coordinates)),
    }
    spool = TreeSpool(tmp_path, 5, n_parameters=n_parameters, n_coordinates=n_coordinates)
    spool.append(**columns)
    (chunk,) = spool.chunks(0.0)
    np.testing.assert_array_equal(chunk.parameters, columns["parameters"])
    np.testing.assert_array_equal(chunk.coordinates, columns["coordinates"])
    np.testing.assert_array_equal(chunk.branch_lengths, columns["branch_lengths"])
    np.testing.assert_array_equal(spool.take(np.array([4]), 0.0).parameters, columns["parameters"][[4]])
