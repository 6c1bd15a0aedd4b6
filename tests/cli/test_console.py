import time

from vbpi_mix.cli import console
from vbpi_mix.cli.console import ConsoleReporter


def test_no_long_silence(monkeypatch, capsys):
    monkeypatch.setattr(console, "_SECONDS_OF_SILENCE", 0.5)
    with ConsoleReporter() as reporter:
        reporter.message("begun")
        reporter.progress("topologies", 1, 10)
        time.sleep(2.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "begun"
    assert any(line.startswith("topologies: ") and line.endswith(" so far") for line in lines)


def test_a_quiet_reporter_says_nothing_but_warnings(monkeypatch, capsys):
    monkeypatch.setattr(console, "_SECONDS_OF_SILENCE", 0.1)
    with ConsoleReporter(quiet=True) as reporter:
        reporter.message("begun")
        time.sleep(1.3)
        reporter.warning("look")
    assert capsys.readouterr().err == "warning: look\n"
