import sys

import numpy as np
import pytest

from tests.support.examples import NAMES, executable, tree_alignment
from vbpi_mix.errors import BackendError, ConfigError, InputError
from vbpi_mix.phylo import Alignment
from vbpi_mix.support import veryfasttree
from vbpi_mix.support.veryfasttree import veryfasttree_bootstrap


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
    monkeypatch.setattr(veryfasttree, "find_veryfasttree", lambda: program)
    with pytest.raises(BackendError, match=r"tree_builder .*status 1 .*: out of luck"):
        veryfasttree_bootstrap(alignment, 3, seed=1)
    monkeypatch.setattr(veryfasttree, "find_veryfasttree", lambda: str(tmp_path / "nothing_here"))
    with pytest.raises(BackendError, match="cannot be started"):
        veryfasttree_bootstrap(alignment, 3, seed=1)


def test_the_program_on_the_path_stands_in_for_a_missing_wheel(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "veryfasttree", None)  # import fails
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="pip install veryfasttree"):
        veryfasttree.find_veryfasttree()
    (tmp_path / "VeryFastTree").touch(mode=0o755)
    assert veryfasttree.find_veryfasttree() == str(tmp_path / "VeryFastTree")


def same(one, other):
    np.testing.assert_array_equal(one.topologies.children, other.topologies.children)
    np.testing.assert_array_equal(one.weights, other.weights)


def test_an_interrupted_bootstrap_goes_on_and_ends_the_same(alignment, tmp_path, monkeypatch):
    whole = veryfasttree_bootstrap(alignment, 8, seed=3)
    keep = tmp_path / "replicates.tsv"

    def stop(done, _):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        veryfasttree_bootstrap(alignment, 8, seed=3, n_threads=2, keep=keep, progress=stop)
    assert len(keep.read_text().splitlines()) == 1 + 4
    with keep.open("a") as file:  # as if the process had been killed while writing
        file.write("7\t(0,1")
    calls, seen = [], []
    run = veryfasttree.run_program
    monkeypatch.setattr(veryfasttree, "run_program", lambda *a: calls.append(a) or run(*a))
    again = veryfasttree_bootstrap(alignment, 8, seed=3, keep=keep, progress=lambda *x: seen.append(x))
    same(whole, again)
    assert len(calls) == 5
    assert seen == [(i, 9) for i in range(4, 10)]
    calls.clear()
    same(whole, veryfasttree_bootstrap(alignment, 8, seed=3, keep=keep))
    same(veryfasttree_bootstrap(alignment, 2, seed=3), veryfasttree_bootstrap(alignment, 2, seed=3, keep=keep))
    assert len(calls) == 3  # those of the run without the file


def test_replicates_of_another_bootstrap_are_refused(alignment, tmp_path):
    keep = tmp_path / "replicates.tsv"
    veryfasttree_bootstrap(alignment, 1, seed=3, keep=keep)
    before = keep.read_bytes()
    for other, seed in ((alignment, 4), (tree_alignment(seed=2), 3)):
        with pytest.raises(ConfigError, match=r"replicates\.tsv: .*another bootstrap"):
            veryfasttree_bootstrap(other, 1, seed=seed, keep=keep)
    assert keep.read_bytes() == before
    with pytest.raises(InputError, match="cannot write"):
        veryfasttree_bootstrap(alignment, 1, seed=3, keep=tmp_path / "absent" / "replicates.tsv")
