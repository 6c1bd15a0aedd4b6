"""The folder of a run: what is read from its files, and what a damaged one gives."""

import json

import pytest

from vbpi_mix.errors import CheckpointError
from vbpi_mix.experiment.folder import RunFolder, read_json, write_json

READERS = {"growth": "read_growth", "start": "read_start", "provenance": "read_provenance"}


@pytest.mark.parametrize("name", READERS)
def test_records_are_read_as_they_were_written(tmp_path, name):
    folder = RunFolder(tmp_path)
    read = getattr(folder, READERS[name])
    assert read() == {}
    write_json(getattr(folder, name), {"a": 1, "b": [2.5, None]})
    assert read() == {"a": 1, "b": [2.5, None]}
    assert not list(tmp_path.glob("*.partial"))


def test_metrics(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.read_metrics() == []
    lines = [{"iteration": 100, "bound": -3.5}, {"iteration": 200, "bound": -3.25}]
    folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert folder.read_metrics() == lines


@pytest.mark.parametrize("name", [*READERS, "metrics"])
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_a_damaged_file_is_named_with_the_same_remedy(tmp_path, name, content):
    folder = RunFolder(tmp_path)
    path = getattr(folder, name)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{path.name}.*damaged.*restore"):
        getattr(folder, READERS.get(name, "read_metrics"))()


def test_a_file_that_must_be_there(tmp_path):
    with pytest.raises(CheckpointError, match=r"no\.json"):
        read_json(tmp_path / "no.json")
