"""Kernels of chains and of training are compiled by another process."""

import pytest

from vbpi_mix.anneal.redraw_kernels import redraw
from vbpi_mix.anneal.walk_kernels import walk
from vbpi_mix.experiment import make_config
from vbpi_mix.experiment import warm_up as module
from vbpi_mix.experiment.chains import chains_are_likely
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.sbn.mixture_kernels import log_q, log_q_vjp


@pytest.fixture
def started(monkeypatch, tmp_path):
    """The commands that are started; in place of the compilation each leaves a file, and fails."""
    commands = []
    real = module.subprocess.Popen

    def begin(command, **others):
        commands.append(command)
        code = f"import pathlib; pathlib.Path({str(tmp_path / 'done')!r}).touch(); raise SystemExit(1)"
        return real([command[0], "-c", code], **others)

    monkeypatch.setattr(module.subprocess, "Popen", begin)
    return commands


def test_another_process_is_waited_for_and_may_fail(started, tmp_path):
    with module._second_process("warm_up_chains()"):
        pass
    assert (tmp_path / "done").exists()
    assert len(started) == 1
    assert "warm_up_chains()" in started[0][-1]


def test_nothing_is_started_without_need(started):
    with module._second_process(None):
        pass
    assert not started


def test_a_process_that_cannot_begin_does_not_matter(monkeypatch):
    monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    assert module._begin_process("warm_up_chains()") is None
    done = False
    with module._second_process("warm_up_chains()"):
        done = True
    assert done


def test_an_error_ends_the_other_process():
    with pytest.raises(KeyboardInterrupt), module._second_process("warm_up_chains()"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("missing", "chains", "threads", "call"),
    [
        (["walk", "log_q"], True, 2, "warm_up_chains()"),
        (["walk", "log_q"], False, 2, "warm_up_training('JC69', 'planar', 'dna')"),
        (["walk"], False, 2, None),
        (["log_q"], True, 2, "warm_up_training('JC69', 'planar', 'dna')"),
        ([], True, 2, None),
        (["walk", "log_q"], True, 1, None),
    ],
)
def test_what_is_compiled_beside(started, monkeypatch, missing, chains, threads, call):
    monkeypatch.setattr(module, "is_missing", lambda kernel: kernel.__name__ in missing)
    monkeypatch.setattr(module, "get_threads", lambda: threads)
    module.warm_up("JC69", "planar", Silent(), chains=chains)
    assert [command[-1].partition("; ")[2] for command in started] == ([] if call is None else [call])


def test_it_compiles_what_training_calls():
    module.warm_up_training("HKY", "planar", "dna")
    assert log_q.signatures
    assert log_q_vjp.signatures


def test_it_compiles_what_chains_call():
    module.warm_up_chains()
    assert walk.signatures
    assert redraw.signatures


@pytest.mark.parametrize(
    ("changes", "n_taxa", "likely"),
    [
        ({}, 50, True),
        ({}, 8, False),
        ({"start": "list"}, 50, False),
        ({"start": "sample"}, 8, True),
        ({"finish": "anneal"}, 8, True),
        ({"recipe": "paper"}, 50, False),
    ],
)
def test_when_chains_are_likely(changes, n_taxa, likely):
    config = make_config(alignment="x.fasta", **changes)
    assert chains_are_likely(config, n_taxa) == likely
