import io
import time
from functools import partial

from rich.console import Console

from vbpi_mix.cli import console
from vbpi_mix.cli.console import ConsoleReporter, duration


def test_no_long_silence(capsys):
    with ConsoleReporter(seconds_of_silence=0.5) as reporter:
        reporter.message("begun")
        reporter.progress("topologies", 1, 10)
        time.sleep(2.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "begun"
    assert any(line.startswith("topologies: ") and line.endswith(" so far") for line in lines)


def test_a_quiet_reporter_says_nothing_but_warnings(capsys):
    with ConsoleReporter(quiet=True, seconds_of_silence=0.1) as reporter:
        reporter.message("begun")
        time.sleep(1.3)
        reporter.warning("look")
    assert capsys.readouterr().err == "warning: look\n"


def test_on_a_terminal_stages_that_ended_early_are_full_and_lines_break_between_words(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(console, "Console", partial(Console, file=stream, force_terminal=True, width=70))
    with ConsoleReporter() as reporter:
        reporter.progress("topologies", 4, 34)
        reporter.progress("candidate trees", 0, 10)
        reporter.progress("training", 1, 10, "a detail that is longer than the line " * 3)
        reporter.message("topologies " * 18)
        bars = reporter._bars.tasks
        assert [(bar.completed, bar.total) for bar in bars] == [(4, 4), (1, 1), (1, 10)]
    said = [line for line in stream.getvalue().splitlines() if "topologies topologies" in line]
    assert len(said) >= 3
    assert "1/10" in stream.getvalue()  # only the detail is cut off
    assert all(line.rstrip().endswith("topologies") for line in said)


def test_durations_as_people_say_them():
    assert [duration(x) for x in (3.4, 65, 7260)] == ["3 s", "1 min 05 s", "2 h 01 min"]
