import dataclasses
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
    assert row[:4] == ["DS8", "64", "1008", "yes"]
    assert max(len(line) for line in result.stdout.splitlines()) <= 100


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


def test_a_set_of_images_is_fetched_by_one_name(tmp_path, cache, monkeypatch):
    """From a mirror whose files are not the right ones: each is named, none is kept."""
    entries = datasets.members("mnist")
    assert len(entries) == 4
    assert all(entry.url.startswith("https://") for entry in [*entries, *datasets.members("cifar10")])
    mirror = tmp_path / "mirror"
    contents = {}
    for entry in entries:
        (mirror / entry.file).parent.mkdir(parents=True, exist_ok=True)
        contents[entry.name] = entry.name.encode()
        (mirror / entry.file).write_bytes(contents[entry.name])
    monkeypatch.setenv(datasets.MIRROR_VARIABLE, str(mirror))
    with pytest.raises(InputError, match=r"mnist\.train-images.*SHA-256 differs"):
        CliRunner().invoke(app, ["fetch", "mnist"], catch_exceptions=False)
    assert not list(cache.glob("*.gz"))

    real = datasets.catalogue()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    changed = {n: dataclasses.replace(e, sha256=digests.get(n, e.sha256)) for n, e in real.items()}
    monkeypatch.setattr(datasets, "catalogue", lambda: changed)
    paths = run("fetch", "mnist").stdout.splitlines()
    stems = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    assert paths == [str(cache / f"mnist-{stem}") for stem in stems]
