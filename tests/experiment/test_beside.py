"""Annealing in a thread of its own while the mixture is trained."""

import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.experiment.simulated import write_example
from vbpi_mix.errors import NumericalError
from vbpi_mix.experiment import Run, beside, fit_folder, make_config
from vbpi_mix.experiment.beside import annealing_beside
from vbpi_mix.experiment.finish import finish_run
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.threads import set_threads
from vbpi_mix.train import load_checkpoint


class Listening(Silent):
    """Keeps messages, and the stages whose progress it is told."""

    def __init__(self):
        self.messages, self.stages = [], []

    def message(self, text):
        self.messages.append(text)

    def progress(self, stage, done, total, detail=""):
        del done, total, detail
        self.stages.append(stage)


@pytest.fixture(autouse=True)
def two_threads():
    set_threads(2)
    yield
    set_threads(None)


@pytest.fixture
def threads_of_annealing(monkeypatch):
    """Names of the threads in which annealing beside training was called."""
    names = []

    def noted(*arguments, **options):
        names.append(threading.current_thread().name)
        return finish_run(*arguments, **options)

    monkeypatch.setattr(beside, "finish_run", noted)
    return names


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    alignment = write_example(tmp_path_factory.mktemp("data"))[0]
    return make_config(
        alignment=str(alignment), model="HKY", components=2, iterations=60, stop="iterations", bootstrap_replicates=5,
        start="sample", finish="anneal",
    )  # fmt: skip


@pytest.fixture(scope="module")
def one_after_the_other(config, tmp_path_factory):
    """A run of one thread, which trains first and anneals then."""
    set_threads(1)
    run, _ = fit_folder(config, tmp_path_factory.mktemp("runs") / "after")
    return run


@pytest.fixture
def not_annealed(one_after_the_other, tmp_path):
    """A copy of it that lacks the annealed trees."""
    shutil.copytree(one_after_the_other.folder.path, tmp_path / "run")
    (tmp_path / "run" / "annealed.npz").unlink()
    return replace(Run.load(tmp_path / "run"), annealed=None)


def assert_same_trees(found, wanted):
    assert found.group_log_ml == wanted.group_log_ml
    for field in ("log_lengths", "coordinates", "log_likelihood"):
        np.testing.assert_array_equal(getattr(found.particles, field), getattr(wanted.particles, field))
    np.testing.assert_array_equal(found.particles.topologies.children, wanted.particles.topologies.children)


def test_a_fit_finds_what_it_finds_in_one_thread(config, one_after_the_other, tmp_path, threads_of_annealing):
    reporter = Listening()
    run, _ = fit_folder(config, tmp_path / "beside", reporter=reporter)
    (name,) = threads_of_annealing
    assert name != threading.main_thread().name
    assert_same_trees(run.annealed, one_after_the_other.annealed)
    ours, theirs = (load_checkpoint(r.folder.checkpoint)["model"] for r in (run, one_after_the_other))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert (run.folder.path / "annealed.npz").is_file()
    last_step = max(i for i, stage in enumerate(reporter.stages) if stage == "training")
    assert "annealing" not in reporter.stages[:last_step]
    assert any("particles annealed in" in text for text in reporter.messages)


def test_more_training_keeps_the_trees_of_chains(config, one_after_the_other, tmp_path, threads_of_annealing):
    path = tmp_path / "longer"
    shutil.copytree(one_after_the_other.folder.path, path)
    before = (path / "annealed.npz").read_bytes()
    run, result = fit_folder(config.with_iterations(80), path, resume=True)
    assert result.iteration == 80
    assert run.annealed is not None
    assert (path / "annealed.npz").read_bytes() == before
    assert not threads_of_annealing


def test_nothing_is_said_before_the_trees_are_asked_for(not_annealed, one_after_the_other):
    reporter = Listening()
    with annealing_beside(not_annealed, reporter) as annealed:
        assert not reporter.messages
        found = annealed()
    assert_same_trees(found, one_after_the_other.annealed)
    assert any("particles annealed in" in text for text in reporter.messages)


def test_a_block_that_is_left_ends_the_annealing_which_can_go_on(not_annealed, one_after_the_other):
    with annealing_beside(not_annealed, Silent()) as annealed:
        assert annealed is not None
    assert not any(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate())
    assert not not_annealed.folder.annealed.is_file()
    assert_same_trees(finish_run(not_annealed, Silent()).annealed, one_after_the_other.annealed)


def test_what_goes_wrong_is_raised_where_the_trees_are_asked_for(not_annealed, monkeypatch):
    def broken(*arguments, **options):
        del arguments, options
        raise NumericalError("no particle is left")

    monkeypatch.setattr(beside, "finish_run", broken)
    with annealing_beside(not_annealed, Silent()) as annealed, pytest.raises(NumericalError, match="no particle"):
        annealed()


@pytest.mark.parametrize("why", ["importance", "no chains", "done", "on a device", "one thread", "in memory"])
def test_annealing_comes_after_training(why, not_annealed):
    run, device = not_annealed, "cpu"
    if why == "importance":
        run = replace(run, config=replace(run.config, finish="importance"))
    elif why == "no chains":
        run.folder.chains.unlink()
    elif why == "done":
        run.folder.annealed.write_bytes(b"")
    elif why == "on a device":
        device = "auto"
    elif why == "one thread":
        set_threads(1)
    else:
        run = replace(run, folder=None)
    with annealing_beside(run, Silent(), device=device) as annealed:
        assert annealed is None
