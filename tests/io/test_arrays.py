import io
import zipfile

import numpy as np
import pytest

from vbpi_mix.errors import CheckpointError, SupportError
from vbpi_mix.experiment.inputs import load_inputs
from vbpi_mix.io.arrays import load_arrays, save_arrays
from vbpi_mix.support.files import load_support


def test_arrays_come_back(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.array(b"x"), "c": np.asfortranarray(np.eye(3)), "d": np.zeros(0)}
    save_arrays(tmp_path / "x.npz", arrays)
    again = load_arrays(tmp_path / "x.npz")
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].dtype == array.dtype


def test_declared_sizes_are_not_believed(tmp_path):
    """A few hundred bytes that declare 10^12 numbers, in the array and in the archive."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("taxa.npy", header.getvalue())
    assert path.stat().st_size < 605
    for read, kind in ((load_inputs, CheckpointError), (load_support, SupportError)):
        with pytest.raises(kind, match="declares 1,000,000,000,000 values"):
            read(path)
    data = path.read_bytes().replace((len(header.getvalue())).to_bytes(4, "little"), (2**32 - 2).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="declares more data"):
        load_inputs(path)
