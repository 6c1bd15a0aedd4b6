"""Fixtures and options shared by all tests."""

import os
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path

import hypothesis
import pytest

if shutil.which("nvidia-smi") is None:
    # Triton reads this when it is first imported, which torch may do long before the tests of the GPU kernels
    os.environ.setdefault("TRITON_INTERPRET", "1")

if "PYTEST_XDIST_WORKER" in os.environ:
    # processes that share the cores; threads of OpenMP that wait would keep a core from the others
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# programs that tests start run this checkout, as the tests do, and not what is installed
_CHECKOUT = str(Path(__file__).resolve().parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_CHECKOUT, os.environ.get("PYTHONPATH"))))

hypothesis.settings.register_profile("any machine", deadline=None)  # how long an example takes is no matter of a test
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run tests that take minutes")


def pytest_collection_modifyitems(config, items):
    slow = pytest.mark.skip(reason="takes minutes: run with --slow")
    for item in items:
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(slow)
        for marker in item.iter_markers("external"):
            if not any(map(shutil.which, marker.args)):
                item.add_marker(pytest.mark.skip(reason=f"{' or '.join(marker.args)} is not on PATH"))


def pytest_terminal_summary(terminalreporter):
    """Say which tests were skipped, and why."""
    skipped = defaultdict(Counter)
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skipped[reason.removeprefix("Skipped: ")][report.nodeid.split("::")[0]] += 1
    if not skipped:
        return
    terminalreporter.section(f"{sum(map(Counter.total, skipped.values()))} skipped")
    for reason, files in sorted(skipped.items()):
        terminalreporter.line(reason)
        for name, count in sorted(files.items()):
            terminalreporter.line(f"  {count:>3}  {name}")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data(repository) -> Path:
    """The reference data beside the checkout, which users do not have."""
    folder = repository.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the reference data folder ../shared/data is not there")
    return folder


@pytest.fixture
def program(monkeypatch, capsys):
    """Run the program as from a shell; returns (exit status, stdout, stderr)."""
    # not above: the interpreter of Triton must be chosen before torch is imported
    from vbpi_mix.cli.main import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["vbpi-mix", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return run
