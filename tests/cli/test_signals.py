"""Every signal that asks the program to end is answered alike, whatever the stage."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiment.simulated import write_example


@pytest.fixture(autouse=True)
def _hearing_interrupts():
    """Jobs in the background of a script ignore SIGINT, and so would their children."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_fit_in_its_search_ends_with_one_line(number, tmp_path):
    alignment, _ = write_example(tmp_path, 12, 400)
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "vbpi_mix",
        "fit",
        str(alignment),
        "-o",
        str(run),
        "--bootstrap-replicates",
        "2000",
    ]
    _skip_if_ignored(number)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    begun = time.monotonic()
    while not (run / "config.toml").is_file() and time.monotonic() - begun < 120:
        time.sleep(0.1)
    time.sleep(0.5)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "the same command with --resume goes on" in err.splitlines()[-1]
    assert (out, "Traceback" in err) == ("", False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("seconds", [1.5, 4.0])
def test_a_signal_while_modules_are_loaded_or_another_command_works_is_one_line(number, seconds, tmp_path):
    alignment, _ = write_example(tmp_path, 30, 3000)
    command = [sys.executable, "-m", "vbpi_mix", "models", str(alignment)]
    _skip_if_ignored(number)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(seconds)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    if process.returncode != -number:  # before the package could say how signals are answered
        assert process.returncode == 128 + number, err
        assert err.splitlines()[-1] == "interrupted"
        assert "Traceback" not in err


def _skip_if_ignored(number: signal.Signals) -> None:
    """Programs that are started ignore what their parent does, as `nohup` has it for SIGHUP."""
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, and so by every program that is started")


_BASE = Path(__file__).resolve().parents[1] / "cases" / "files" / "base.fasta"
_FEW = ("fit", str(_BASE), "--seed", "3", "--threads", "1", "--bootstrap-replicates", "4", "--components", "2")
_PLAIN = (*_FEW, "--model", "JC69")
# what shows that a command is in its stage: a file that is there, or words on stderr
STAGES = {
    "search": (_PLAIN, "search.results", ""),
    "training": ((*_PLAIN, "--iterations", "200000"), "metrics.jsonl", ""),
    "evaluation": ((*_PLAIN, "--iterations", "100"), "", "training: 100 of 100"),
    "chains": ((*_FEW, "--model", "HKY", "--start", "sample"), "chains_so_far.npz", ""),
    "annealing": ((*_PLAIN, "--iterations", "100", "--finish", "anneal"), "", "groups of 64 particles annealed"),
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_signal_in_any_stage_is_answered_alike_and_the_fit_goes_on(stage, tmp_path):
    words, file, text = STAGES[stage]
    run, log = tmp_path / "run", tmp_path / "log"
    command = [sys.executable, "-m", "vbpi_mix", *words, "-o", str(run)]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    end = time.monotonic() + 900
    while not ((run / file).is_file() if file else text in log.read_text()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    err = log.read_text()
    assert process.returncode == 128 + signal.SIGTERM, err
    assert "--resume goes on" in err.splitlines()[-1]
    assert (out, "Traceback" in err) == ("", False)
    assert not (run / "run.lock").exists()
    assert not list(run.glob(".*"))
    done = subprocess.run([*command, "--resume", "-q"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "verdict: " in done.stdout


def test_a_signal_while_a_module_is_loaded_waits_until_it_is(tmp_path):
    (tmp_path / "slow_to_load.py").write_text(
        "import time\ntry:\n    time.sleep(1)\nexcept BaseException:\n    raise ImportError('half') from None\n"
    )
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys, threading, time\n"
        "from vbpi_mix.cli.signals import Interrupted, answer_signals\n"
        "answer_signals()\n"
        "threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "try:\n"
        "    import slow_to_load\n"
        "    time.sleep(60)\n"
        "except Interrupted as error:\n"
        "    print('slow_to_load' in sys.modules, error.number)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.split() == ["True", str(int(signal.SIGTERM))]


def test_a_signal_in_a_call_from_compiled_code_waits_until_it_is_over(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, time\n"
        "from vbpi_mix.cli.signals import Interrupted, answer_signals\n"
        "class Slow:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(0.2)\n"
        "answer_signals()\n"
        "try:\n"
        "    Slow()\n"
        "    time.sleep(60)\n"
        "except Interrupted as error:\n"
        "    print(error.number)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=50, check=True)
    assert (done.stdout.strip(), done.stderr) == (str(int(signal.SIGTERM)), "")
