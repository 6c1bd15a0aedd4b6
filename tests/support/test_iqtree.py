import json
import time
from dataclasses import replace

import numpy as np
import pytest

from tests.support.examples import NAMES, executable, tree_alignment
from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.support.iqtree import IQTREE_PROGRAMS, TimeIsUpError, find_iqtree, iqtree_bootstrap


@pytest.fixture
def alignment():
    return tree_alignment()


FAKE_IQTREE = """
import json, sys
arguments = dict(zip(sys.argv[1::1], sys.argv[2::1]))
if "--version" in sys.argv:
    print("IQ-TREE multicore version {version} for Linux 64-bit built Jan 21 2022")
    sys.exit(0)
prefix = arguments.get("-pre") or arguments["--prefix"]
names = [line[1:].strip() for line in open(arguments["-s"]) if line[0] == ">"]
open({log!r}, "w").write(json.dumps([sys.argv[1:], open(arguments["-s"]).read()]))
a, b, c, *rest = names
for inner in rest:
    c = "(" + c + "," + inner + ")"
n = int(arguments.get("-bb") or arguments["-B"])
open(prefix + ".ufboot", "w").write(("(" + a + "," + b + "," + c + ");\\n") * n)
"""


OLD = ["-bb", "1500", "-seed", "7", "-nt", "2", "-wbt", "-st", "DNA"]
NEW = ["-B", "1500", "--seed", "7", "-T", "2", "--boot-trees", "--seqtype", "DNA"]


@pytest.mark.parametrize(
    ("program", "version", "words"),
    [("iqtree", "1.6.12", OLD), ("iqtree2", "2.0.7", NEW), ("iqtree3", "3.0.1", NEW), ("iqtree", "3.1.0", NEW)],
)
def test_iqtree_is_called_as_its_version_asks(alignment, monkeypatch, tmp_path, program, version, words):
    log = tmp_path / "log.json"
    folder = tmp_path / "bin"
    folder.mkdir()
    executable(folder / program, FAKE_IQTREE.replace("{log!r}", repr(str(log))).replace("{version}", version))
    monkeypatch.setenv("PATH", str(folder))
    assert find_iqtree() == (str(folder / program), tuple(int(x) for x in version.split(".")[:2]))
    wide = replace(alignment, state_sets=np.tile(alignment.state_sets, 1 + 1000 // alignment.n_sites))
    run = tmp_path / "run"
    run.mkdir()
    sample = iqtree_bootstrap(wide, 1500, seed=7, n_threads=2, model="HKY", folder=run)
    assert not list(run.iterdir())
    assert sample.taxa == NAMES
    assert sample.weights.tolist() == [1500.0]
    arguments, fasta = json.loads(log.read_text())
    assert " ".join(words[:2]) in " ".join(arguments)
    assert set(words) <= set(arguments)
    assert arguments[arguments.index("-m") + 1] == "HKY"
    assert ">t0\n-RY" in fasta  # missing data and codes are passed on


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("IQ-TREE multicore version 1.5.5 for Linux 64-bit", "IQ-TREE 1.5: .*1.6, 2 or 3"),
        ("something else", "version of IQ-TREE .*'something else'"),
    ],
)
def test_programs_that_are_too_old_or_another(alignment, monkeypatch, tmp_path, said, message):
    executable(tmp_path / "iqtree", f"print({said!r})")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match=message):
        iqtree_bootstrap(alignment, 1000, seed=1)


def test_iqtree_absent_or_failing(alignment, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=">= 1000"):
        iqtree_bootstrap(alignment, 999, seed=1)
    with pytest.raises(BackendError, match="apt-get install iqtree; conda"):
        iqtree_bootstrap(alignment, 1000, seed=1)
    version = "import sys; '--version' in sys.argv and (print('IQ-TREE version 3.0.1'), sys.exit(0))\n"
    executable(tmp_path / "iqtree2", version)
    with pytest.raises(BackendError, match="wrote no bootstrap trees"):
        iqtree_bootstrap(alignment, 1000, seed=1)
    executable(tmp_path / "iqtree3", version + "print('ERROR: no such model'); sys.exit(2)")
    with pytest.raises(BackendError, match=r"iqtree3 .*status 2 .*: ERROR: no such model"):
        iqtree_bootstrap(alignment, 1000, seed=1)


SLOW_IQTREE = """
import sys, time
if "--version" in sys.argv:
    print("IQ-TREE multicore version 2.0.7 for Linux 64-bit built Jan 21 2022")
    sys.exit(0)
with open(sys.argv[sys.argv.index("--prefix") + 1] + ".log", "w") as log:
    for i in (10, 20, 30):
        print(f"Iteration {i} / LogL: -100.0 / Time: 0h:0m:1s (0h:0m:3s left)", file=log, flush=True)
        time.sleep(1.2)
    time.sleep(60)
"""


def test_a_program_that_has_too_little_time_is_ended_and_leaves_nothing(alignment, monkeypatch, tmp_path):
    executable(tmp_path / "iqtree2", SLOW_IQTREE)
    monkeypatch.setenv("PATH", str(tmp_path))
    run, told = tmp_path / "run", []
    run.mkdir()
    with pytest.raises(TimeIsUpError, match=r"iqtree2 .*time"):
        iqtree_bootstrap(
            alignment,
            1000,
            seed=1,
            n_threads=8,
            progress=lambda done, total: told.append((done, total)),
            until=time.perf_counter() + 4.0,
            folder=run,
        )
    assert told == sorted(told)
    assert told[-1] == (30, 1000)
    assert not list(run.iterdir())


@pytest.mark.external(*IQTREE_PROGRAMS)
def test_the_real_iqtree(alignment):
    sample = iqtree_bootstrap(alignment, 1000, seed=1)
    assert sample.taxa == NAMES
    assert sample.weights.sum() == 1000
    clades = sample.topologies.clades()[:, :, 0]
    plain = (clades == np.uint64(0b11110000)).any(axis=1)
    assert sample.probabilities()[plain].sum() > 0.95
