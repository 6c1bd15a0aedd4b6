"""A run exported as a whole: the same trees in every file, all files or none."""

import hashlib

import dendropy
import numpy as np
import pytest

from tests.experiment.simulated import fitted_example
from vbpi_mix.analysis import export, export_run, stream_trees
from vbpi_mix.errors import InputError
from vbpi_mix.posterior import rank_topologies

TEXT = {
    "posterior.trees", "posterior.mb.t", "posterior.mb.p", "posterior.trprobs", "posterior.nwk", "posterior.log",
    "posterior.con.tre", "posterior.con.nwk", "posterior.map.tre", "posterior.splits.tsv",
}  # fmt: skip


@pytest.fixture(scope="module")
def run():
    return fitted_example()


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_every_format_is_written_from_the_same_trees(run, tmp_path):
    result = export_run(run, tmp_path / "out", n_trees=400)
    assert set(result.files) == TEXT == {path.name for path in (tmp_path / "out").iterdir()}
    assert result.n_draws == 8000
    assert 1 < result.effective_sample_size < 8000
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "something was left behind"
    ranking = rank_topologies(stream_trees(run, 400))
    trees = dendropy.TreeList.get(
        path=str(tmp_path / "out" / "posterior.trprobs"), schema="nexus", store_tree_weights=True
    )
    assert [tree.weight for tree in trees] == pytest.approx(ranking.probability.tolist(), abs=1e-9)
    for name in ("posterior.trees", "posterior.trprobs", "posterior.con.tre", "posterior.log", "posterior.map.tre"):
        assert "effective sample size" in (tmp_path / "out" / name).read_text(), name
    for name, n_lines in (("posterior.nwk", 400), ("posterior.log", 403), ("posterior.mb.p", 402)):
        assert len((tmp_path / "out" / name).read_text().splitlines()) == n_lines


def test_equal_seeds_write_equal_files(run, tmp_path):
    for name, seed in (("a", None), ("b", run.config.seed), ("c", 99)):
        export_run(run, tmp_path / name, n_trees=200, seed=seed, formats=["all"])
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    assert hashes(tmp_path / "a") != hashes(tmp_path / "c")


def test_weighted_trees_go_only_where_weights_have_a_place(run, tmp_path):
    result = export_run(run, tmp_path / "out", n_trees=401, weighted=True)
    assert result.n_trees == 402
    endings = {name.removeprefix("weighted") for name in result.files}
    assert endings == {".trees", ".trprobs", ".log", ".con.tre", ".con.nwk", ".map.tre", ".splits.tsv"}
    trees = dendropy.TreeList.get(
        path=str(tmp_path / "out" / "weighted.trees"), schema="nexus", store_tree_weights=True
    )
    assert sum(tree.weight for tree in trees) == pytest.approx(1)
    assert len(trees) == 402


def test_files_that_are_there_are_not_replaced_unless_asked(run, tmp_path):
    (tmp_path / "posterior.log").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine too")
    with pytest.raises(InputError, match=r"posterior\.log.*--overwrite"):
        export_run(run, tmp_path, n_trees=10)
    assert {path.name for path in tmp_path.iterdir()} == {"posterior.log", "notes.txt"}
    export_run(run, tmp_path, n_trees=10, formats=["log", "newick"], overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"posterior.log", "posterior.nwk", "notes.txt"}
    assert (tmp_path / "posterior.log").read_text() != "mine"


def test_places_that_are_none(run, tmp_path):
    (tmp_path / "file").write_text("")
    for place, message in ((tmp_path / "file", "is a file"), (tmp_path / "a" / "b", "no such folder")):
        with pytest.raises(InputError, match=message):
            export_run(run, place, n_trees=10)


@pytest.mark.parametrize("there", [True, False])
def test_an_error_on_the_way_leaves_nothing(run, tmp_path, monkeypatch, there):
    def fail(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(export._WRITERS, "splits", fail)
    folder = tmp_path / "out"
    if there:
        folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        export_run(run, folder, n_trees=50)
    assert list(tmp_path.iterdir()) == ([folder] if there else [])
    assert not there or list(folder.iterdir()) == []


def test_a_stream_for_ones_own_files(run, tmp_path):
    stream = stream_trees(run, 300, folder=tmp_path)
    assert stream.n_trees == 300
    again = stream_trees(run, 300)
    for first, second in zip(stream.read(), again.read(), strict=True):
        np.testing.assert_array_equal(first.branch_lengths, second.branch_lengths)
