import functools
import hashlib
import http.server
import threading

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io import datasets
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.phylo import site_patterns

CONTENT = b"7\t(A,B,(C,D));\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(datasets.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(datasets.MIRROR_VARIABLE, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def entry(monkeypatch):
    """A catalogue whose DS1.ufboot has a checksum known here."""
    entries = datasets.catalogue()
    changed = datasets.Dataset(**(vars(entries["DS1.ufboot"]) | {"sha256": hashlib.sha256(CONTENT).hexdigest()}))
    monkeypatch.setattr(datasets, "catalogue", lambda: entries | {changed.name: changed})
    return changed


@pytest.fixture
def mirror(tmp_path, entry):
    path = tmp_path / "mirror" / entry.file
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return tmp_path / "mirror"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(mirror):
    handler = functools.partial(QuietHandler, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.fixture(params=["folder", "server"])
def address(request, mirror):
    return str(mirror) if request.param == "folder" else request.getfixturevalue("server")


def test_fetch_by_checksum(monkeypatch, address, cache, mirror, entry):
    monkeypatch.setenv(datasets.MIRROR_VARIABLE, address + "/")
    with pytest.raises(InputError, match=r"`vbpi-mix data fetch DS1\.ufboot`"):
        datasets.where("DS1.ufboot")
    path = datasets.fetch("DS1.ufboot")
    assert path == cache / "DS1.ufboot.topologies.tsv.gz"
    assert path.read_bytes() == CONTENT
    assert datasets.where("DS1.ufboot") == path == datasets.resolve("DS1.ufboot")
    (mirror / entry.file).unlink()
    assert datasets.fetch("DS1.ufboot") == path  # from the cache


def test_a_damaged_file_in_the_cache_is_fetched_again(monkeypatch, address, cache):
    cache.mkdir()
    (cache / "DS1.ufboot.topologies.tsv.gz").write_bytes(b"half")
    monkeypatch.setenv(datasets.MIRROR_VARIABLE, address)
    assert datasets.fetch("DS1.ufboot").read_bytes() == CONTENT


def left_in(folder):
    return sorted(folder.rglob("*")) if folder.exists() else []


def test_a_wrong_checksum_keeps_nothing(monkeypatch, address, cache, mirror, entry):
    (mirror / entry.file).write_bytes(b"something else")
    monkeypatch.setenv(datasets.MIRROR_VARIABLE, address)
    with pytest.raises(InputError, match=r"DS1\.ufboot: .*SHA-256"):
        datasets.fetch("DS1.ufboot")
    assert left_in(cache) == []


def test_a_file_that_the_mirror_lacks(monkeypatch, address, cache, mirror, entry):
    (mirror / entry.file).unlink()
    monkeypatch.setenv(datasets.MIRROR_VARIABLE, address)
    with pytest.raises(InputError, match=r"DS1\.ufboot: the mirror .*DS1\.ufboot\.topologies"):
        datasets.fetch("DS1.ufboot")
    assert left_in(cache) == []


def test_a_mirror_that_does_not_answer(monkeypatch, server, cache):
    port = int(server.rsplit(":", 1)[1])
    monkeypatch.setenv(datasets.MIRROR_VARIABLE, f"http://127.0.0.1:{port + 1 if port < 65535 else port - 1}")
    with pytest.raises(InputError, match=r"offline\?"):
        datasets.fetch("DS1.ufboot")
    assert left_in(cache) == []


def test_without_a_mirror_the_message_says_so(cache):
    with pytest.raises(InputError, match=r"VBPI_MIX_DATA_MIRROR") as caught:
        datasets.fetch("DS1.golden")
    assert "\n" not in str(caught.value)
    assert left_in(cache) == []


def test_shipped_files_need_no_mirror(repository):
    assert datasets.fetch("DS1") == datasets.where("DS1") == repository / "data" / "alignments" / "DS1.fasta"


def test_resolve(tmp_path, monkeypatch, repository):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DS2").write_text("mine")
    assert datasets.resolve("DS2").read_text() == "mine"
    assert datasets.resolve("primates") == repository / "data" / "examples" / "primates.nex"
    with pytest.raises(InputError, match=r"no file ds11.fasta, .*'ds11.fasta'"):
        datasets.resolve("ds11.fasta")


@pytest.mark.parametrize(("name", "hint"), [("ds3", r"mean DS3\?"), ("primate", "primates"), ("qqqq", "data list")])
def test_unknown_names_get_a_hint(name, hint):
    with pytest.raises(InputError, match=hint):
        datasets.find(name)


def test_an_installed_package_carries_the_folder_inside(tmp_path, monkeypatch):
    package = tmp_path / "vbpi_mix"
    (package / "data").mkdir(parents=True)
    monkeypatch.setattr(datasets, "__file__", str(package / "io" / "datasets.py"))
    with pytest.raises(InputError, match="the data folder is missing"):
        datasets.data_folder()
    (package / "data" / "catalog.toml").write_text("")
    assert datasets.data_folder() == package / "data"


def test_the_catalogue_is_true(repository):
    with (repository / "data" / "catalog.toml").open("rb") as file:
        content = datasets.tomllib.load(file)
    files = {entry["file"] for entry in content["alignment"]}
    found = {
        str(p.relative_to(repository / "data"))
        for d in ("alignments", "examples")
        for p in (repository / "data" / d).iterdir()
        if not p.stem.endswith("_parts")
    }
    assert files == found
    names = [entry["name"] for kind in content.values() for entry in kind]
    assert len(names) == len(set(names)) == len(datasets.catalogue())
    for entry in datasets.catalogue().values():
        assert entry.source
        assert entry.licence
        assert len(entry.sha256) == 64
        if entry.kind == "alignment":
            path = datasets.where(entry.name)
            assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
            assert path.stat().st_size == entry.size
            alignment = read_alignment(path)
            n_patterns = site_patterns(alignment).n_patterns
            assert entry.dimensions == {"taxa": alignment.n_taxa, "sites": alignment.n_sites, "patterns": n_patterns}
    assert [r["value"] for r in datasets.find("DS1").references] == [-7108.42, -7108.42, -7108.40, -6884.5991]


def test_the_downloads_are_those_of_the_reference_data(shared_data):
    for line in (shared_data / "MANIFEST.tsv").read_text().splitlines():
        file, size, checksum = line.split("\t")
        for entry in datasets.catalogue().values():
            if entry.file == file:
                assert (entry.size, entry.sha256) == (int(size), checksum)
    files = {entry.file for entry in datasets.catalogue().values() if entry.kind == "download" and entry.url is None}
    assert {file for file in files if not (shared_data / file).is_file()} == set()


@pytest.mark.parametrize("name", [f"DS{i}" for i in range(1, 9)])
def test_the_alignments_equal_the_benchmark_copies_site_for_site(shared_data, name):
    ours = read_alignment(datasets.where(name))
    theirs = read_alignment(shared_data / "phylo" / "alignments" / f"{name}.fasta")
    renamed = {"Saccharomyces_cerevisiae_Z75578": "Saccharomyces_cerevisiae"} if name == "DS6" else {}
    row = {renamed.get(taxon, taxon): i for i, taxon in enumerate(ours.taxa)}
    assert set(row) == set(theirs.taxa)
    np.testing.assert_array_equal(ours.state_sets[[row[taxon] for taxon in theirs.taxa]], theirs.state_sets)
    assert set(ours.symbol_counts) <= set("ACGT-?N")
