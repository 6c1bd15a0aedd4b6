"""Damaged files of the program's own: one kind of error for each, and no size is believed before it is checked."""

import gzip
import random
import time

import numpy as np
import pytest
import torch

from tests.fuzz.corpus import binaries
from vbpi_mix.errors import CheckpointError, ConfigError, InputError, SupportError, VBPIError
from vbpi_mix.experiment.config import load_config
from vbpi_mix.experiment.folder import RunFolder, read_json
from vbpi_mix.experiment.inputs import load_inputs
from vbpi_mix.io.files import read_text
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import random_topologies
from vbpi_mix.start.saved import load_start
from vbpi_mix.support.files import load_support
from vbpi_mix.train.checkpoint import load_checkpoint, save_checkpoint


def test_every_flipped_bit_of_a_checkpoint_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"model": {"a": torch.arange(200.0)}, "iteration": 7})
    data, generator = path.read_bytes(), random.Random(1)
    assert load_checkpoint(path)["iteration"] == 7
    assert torch.load(path, weights_only=True)["iteration"] == 7  # torch itself reads it too
    for _ in range(400):
        damaged = bytearray(data)
        damaged[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(path)


@pytest.mark.parametrize(
    ("name", "read", "kind"),
    [
        ("inputs", load_inputs, CheckpointError),
        ("support", load_support, SupportError),
        ("start", lambda path: load_start(path, {"seed": 1}), InputError),
        ("checkpoint", load_checkpoint, CheckpointError),
    ],
)
def test_cut_and_changed_files_raise_one_kind_of_error(tmp_path, name, read, kind):
    path, generator = tmp_path / "file", random.Random(2)
    data = next(iter(binaries()[name].values()))
    path.write_bytes(data)
    read(path)
    refused = 0
    for i in range(300):
        damaged = bytearray(data[: generator.randrange(len(data))] if i % 3 == 0 else data)
        for _ in range(generator.randrange(1, 4)):
            if damaged:
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except VBPIError as error:
            assert isinstance(error, kind)  # noqa: PT017
            refused += 1
    assert refused > 250


@pytest.mark.parametrize("content", [b"\xff", b"[1, 2", b"3", b"", b"{", b"null", b'["ab"]', b"[" * 100_000])
def test_damaged_json(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.json: damaged"):
        read_json(tmp_path / "x.json")
    (tmp_path / "metrics.jsonl").write_bytes(content or b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        RunFolder(tmp_path).read_metrics()


@pytest.mark.parametrize(
    "content", [b"\xff", b"x", b"trees = 3\nalignment = 'x'", b"iterations = 'x'", b"alignment = 1"]
)
def test_damaged_toml(tmp_path, content):
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load_config(tmp_path / "config.toml")


def test_packed_text_is_bounded(tmp_path):
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"A" * 1001))
    assert read_text(tmp_path / "x.gz", largest=1001) == "A" * 1001
    with pytest.raises(InputError, match="more than 1,000 characters"):
        read_text(tmp_path / "x.gz", largest=1000)


def test_a_long_text_without_a_semicolon_costs_time_in_proportion(tmp_path):
    seconds = []
    for size in (1 << 24, 1 << 26):
        (tmp_path / "x").write_bytes(b"(" + b"a," * (size // 2))
        begun = time.perf_counter()
        with pytest.raises(InputError, match="no closing semicolon"):
            read_trees([tmp_path / "x"], list("abcd"))
        seconds.append(time.perf_counter() - begun)
    assert seconds[1] < 12 * max(seconds[0], 0.05)  # four times the text; twice as long again was 16 times


def test_the_first_tree_of_many_taxa_is_read_in_seconds(tmp_path):
    taxa = [f"t{i}" for i in range(10_001)]
    (topology,) = random_topologies(1, len(taxa), np.random.default_rng(1))
    (tmp_path / "x.nwk").write_text(topology.newick(taxa) + "\n")
    read_trees([tmp_path / "x.nwk"], taxa[:])  # compiles what is not compiled yet
    begun = time.perf_counter()
    assert read_trees([tmp_path / "x.nwk"], taxa).n_trees == 1
    assert time.perf_counter() - begun < 10


@pytest.mark.parametrize("setting", ["components", "particles", "flow_hidden"])
def test_settings_that_no_memory_holds(program, tmp_path, setting):
    option = "--" + setting.replace("_", "-")
    alignment = tmp_path / "x.fasta"
    alignment.write_text(">a\nAC\n>b\nAG\n>c\nCC\n>d\nCG\n")
    status, _, err = program("fit", alignment, "-o", tmp_path / "run", option, "1000000000", "-q")
    assert status == 2
    assert f"error: {setting} = 1,000,000,000 is too many" in err
    assert not (tmp_path / "run").exists()
