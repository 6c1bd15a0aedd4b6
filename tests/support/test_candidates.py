import shutil
import sys

import numpy as np
import pytest

from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.phylo import Alignment
from vbpi_mix.support import candidates
from vbpi_mix.support.candidates import iqtree_bootstrap, veryfasttree_bootstrap

NAMES = ("it's a name", "(b):c", "d[e], f", "g;", "h i", "j", "k_l", "'m'")


def tree_alignment(n_sites=120, seed=1):
    """Eight sequences with odd names, three of them equal; the split {0..3}|{4..7} is plain to see."""
    rng = np.random.default_rng(seed)
    states = np.array([1, 2, 4, 8], dtype=np.uint8)
    ancestors = states[rng.integers(4, size=(2, n_sites))]
    rows = np.repeat(ancestors, 4, axis=0)
    for row in (0, 1, 2, 4, 5):
        changed = rng.random(n_sites) < 0.1
        rows[row, changed] = states[rng.integers(4, size=changed.sum())]
    rows[6] = rows[7] = rows[5]
    rows[0, :3] = 15, 5, 10
    return Alignment(taxa=NAMES, state_sets=rows)


@pytest.fixture
def alignment():
    return tree_alignment()


def test_veryfasttree_trees_hold_all_taxa_and_the_plain_split(alignment):
    seen = []
    sample = veryfasttree_bootstrap(alignment, 5, seed=3, n_threads=2, progress=lambda *x: seen.append(x))
    assert sample.taxa == NAMES
    assert sample.weights.sum() == 6
    assert seen == [(i, 6) for i in range(1, 7)]
    four = np.uint64(0b11110000)
    assert (sample.topologies.clades()[:, :, 0] == four).any(axis=1).all()
    # the three equal sequences form one group, resolved in more than one way
    equal = np.uint64(0b11100000)
    clades = sample.topologies.clades()[:, :, 0]
    assert (clades == equal).any(axis=1).all()
    assert len(np.unique(clades[np.isin(clades, [0b1100000, 0b10100000, 0b11000000])])) > 1


def test_veryfasttree_depends_on_the_seed_only(alignment):
    one = veryfasttree_bootstrap(alignment, 6, seed=3, n_threads=1)
    two = veryfasttree_bootstrap(alignment, 6, seed=3, n_threads=3)
    np.testing.assert_array_equal(one.topologies.children, two.topologies.children)
    np.testing.assert_array_equal(one.weights, two.weights)
    other = veryfasttree_bootstrap(alignment, 6, seed=4)
    assert one.topologies.children.tobytes() != other.topologies.children.tobytes()


def test_only_the_tree_of_the_alignment(alignment):
    assert veryfasttree_bootstrap(alignment, 0, seed=1).weights.tolist() == [1.0]


def test_sequences_that_say_nothing():
    alignment = Alignment(taxa=("a", "b", "c", "d"), state_sets=np.ones((4, 10), dtype=np.uint8))
    sample = veryfasttree_bootstrap(alignment, 20, seed=1)
    assert sample.n_trees == 3  # a star, resolved at random


def test_failures_are_named(alignment, monkeypatch, tmp_path):
    for bad in ({"n_replicates": -1, "seed": 0}, {"n_replicates": 1, "seed": -1}):
        with pytest.raises(ConfigError, match="n_replicates >= 0"):
            veryfasttree_bootstrap(alignment, **bad)
    program = executable(tmp_path / "tree_builder", "import sys; sys.exit('out of luck')")
    monkeypatch.setattr(candidates, "_veryfasttree", lambda: program)
    with pytest.raises(BackendError, match="tree_builder ended with status 1 and said: out of luck"):
        veryfasttree_bootstrap(alignment, 3, seed=1)
    monkeypatch.setattr(candidates, "_veryfasttree", lambda: str(tmp_path / "nothing_here"))
    with pytest.raises(BackendError, match="cannot be started"):
        veryfasttree_bootstrap(alignment, 3, seed=1)


def executable(path, code):
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)


FAKE_IQTREE = """
import json, sys
arguments = dict(zip(sys.argv[1::1], sys.argv[2::1]))
prefix = arguments["-pre"]
names = [line[1:].strip() for line in open(arguments["-s"]) if line[0] == ">"]
open({log!r}, "w").write(json.dumps([sys.argv[1:], open(arguments["-s"]).read()]))
a, b, c, *rest = names
for inner in rest:
    c = "(" + c + "," + inner + ")"
open(prefix + ".ufboot", "w").write(("(" + a + "," + b + "," + c + ");\\n") * int(arguments["-bb"]))
"""


def test_iqtree_is_called_as_asked(alignment, monkeypatch, tmp_path):
    log = tmp_path / "log.json"
    folder = tmp_path / "bin"
    folder.mkdir()
    executable(folder / "iqtree", FAKE_IQTREE.replace("{log!r}", repr(str(log))))
    monkeypatch.setenv("PATH", str(folder))
    sample = iqtree_bootstrap(alignment, 1500, seed=7, n_threads=2, model="HKY")
    assert sample.taxa == NAMES
    assert sample.weights.tolist() == [1500.0]
    text = log.read_text()
    for option in ('"-bb", "1500"', '"-seed", "7"', '"-nt", "2"', '"-m", "HKY"', '"-wbt"', '"-st", "DNA"'):
        assert option in text
    assert ">t0\\n-RY" in text  # missing data and codes are passed on


def test_iqtree_absent_or_failing(alignment, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=">= 1000"):
        iqtree_bootstrap(alignment, 999, seed=1)
    with pytest.raises(BackendError, match="apt-get install iqtree; conda"):
        iqtree_bootstrap(alignment, 1000, seed=1)
    executable(tmp_path / "iqtree2", "pass")
    with pytest.raises(BackendError, match="wrote no bootstrap trees"):
        iqtree_bootstrap(alignment, 1000, seed=1)
    executable(tmp_path / "iqtree3", "import sys; print('ERROR: no such model'); sys.exit(2)")
    with pytest.raises(BackendError, match="iqtree3 ended with status 2 and said: ERROR: no such model"):
        iqtree_bootstrap(alignment, 1000, seed=1)


def test_the_real_iqtree(alignment):
    if not any(shutil.which(name) for name in candidates.IQTREE_PROGRAMS):
        pytest.skip("IQ-TREE is not on PATH")
    sample = iqtree_bootstrap(alignment, 1000, seed=1)
    assert sample.taxa == NAMES
    assert sample.weights.sum() == 1000
    clades = sample.topologies.clades()[:, :, 0]
    plain = (clades == np.uint64(0b11110000)).any(axis=1)
    assert sample.probabilities()[plain].sum() > 0.95
