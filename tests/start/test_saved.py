"""The file of a start: whole or refused."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import all_topologies, collect
from vbpi_mix.start import Start, load_start

SETTINGS = {"seed": 1, "rate": 0.1}


@pytest.fixture
def path(tmp_path):
    sample = collect(["a", "b b", "c", "ä", "e"], all_topologies(5), np.arange(1.0, 16.0))
    Start(topologies=sample, seconds={"candidates": 0.1}, settings=SETTINGS, made={"commit": None}).save(
        tmp_path / "s.npz"
    )
    return tmp_path / "s.npz"


def test_it_comes_back(path):
    start = load_start(path, SETTINGS)
    assert start is not None
    assert start.sample.taxa == ("a", "b b", "c", "ä", "e")
    assert np.array_equal(start.sample.weights, np.arange(15.0, 0.0, -1.0))
    assert (start.seconds, start.account, start.made) == ({"candidates": 0.1}, {}, {"commit": None})
    assert [p.name for p in path.parent.iterdir()] == ["s.npz"]


def test_no_file_is_no_start(tmp_path):
    assert load_start(tmp_path / "absent.npz", SETTINGS) is None


def test_other_settings_are_refused(path):
    with pytest.raises(InputError, match=r"s\.npz .*rate = 0\.1, .* 0\.2"):
        load_start(path, {**SETTINGS, "rate": 0.2})
    with pytest.raises(InputError, match="now it is None"):
        load_start(path, {"seed": 1})


def test_damage_is_found(path, tmp_path):
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"no archive"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            load_start(path, SETTINGS)
    path.write_bytes(whole)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "changed.npz", **{**arrays, "weights": arrays["weights"] + 1})
    with pytest.raises(InputError, match="hash"):
        load_start(tmp_path / "changed.npz", SETTINGS)
    np.savez(tmp_path / "new.npz", **{**arrays, "format": np.array(2)})
    with pytest.raises(InputError, match="format 2"):
        load_start(tmp_path / "new.npz", SETTINGS)
