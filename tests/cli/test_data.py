import hashlib
import json

import pytest
from typer.testing import CliRunner

from vbpi_mix.cli.data import app
from vbpi_mix.errors import InputError
from vbpi_mix.io import datasets


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(datasets.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(datasets.MIRROR_VARIABLE, raising=False)
    return tmp_path / "cache"


def run(*arguments):
    return CliRunner().invoke(app, arguments)


def test_list():
    result = run("list")
    assert result.exit_code == 0
    words = result.stdout.split()
    assert {"DS1", "DS8", "primates", "DS1.golden", "mnist_5k"} <= set(words)
    (row,) = [line.split() for line in result.stdout.splitlines() if line.startswith("DS8 ")]
    assert row[:6] == ["DS8", "64", "1008", "406", "68", "yes"]


def test_list_as_json(repository):
    entries = {entry["name"]: entry for entry in json.loads(run("list", "--json").stdout)}
    assert list(entries) == list(datasets.catalogue())
    first = entries["DS1"]
    assert (first["taxa"], first["sites"], first["patterns"]) == (27, 1949, 934)
    assert first["path"] == str(repository / "data" / "alignments" / "DS1.fasta")
    assert first["references"][0]["value"] == -7108.42
    assert entries["DS1.golden"]["path"] is None


def test_where_prints_the_path_alone(repository):
    assert run("where", "DS3").stdout == f"{repository / 'data' / 'alignments' / 'DS3.fasta'}\n"
    with pytest.raises(InputError, match="did you mean DS3"):
        CliRunner().invoke(app, ["where", "DS33"], catch_exceptions=False)


def test_fetch(shared_data, cache, monkeypatch):
    monkeypatch.setenv(datasets.MIRROR_VARIABLE, str(shared_data))
    result = run("fetch", "DS2.golden", "DS2")
    paths = result.stdout.splitlines()
    assert paths == [str(cache / "DS2.golden.topologies.tsv.gz"), str(datasets.where("DS2"))]
    content = (cache / "DS2.golden.topologies.tsv.gz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == datasets.find("DS2.golden").sha256


def test_a_wrong_name_fetches_nothing(tmp_path, monkeypatch, cache):
    monkeypatch.setenv(datasets.MIRROR_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match="no data set is named"):
        CliRunner().invoke(app, ["fetch", "DS2.golden", "nothing"], catch_exceptions=False)
    assert not cache.exists()
