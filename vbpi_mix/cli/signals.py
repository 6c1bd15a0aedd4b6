"""Signals that ask the program to end: each becomes an exception, so that every stage cleans up alike."""

import signal
from types import FrameType

_AGAIN = 0.02  # seconds until a signal is looked at again that came at a moment when exceptions are lost
# functions that others call from C and whose exceptions are printed and forgotten
_SWALLOWING = ("__del__", "_raw_object_cache_notify", "_raw_object_cache_getbuffer")
_ASKING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

_unanswered: list[int] = []


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to end.

    Arguments:
        number: Number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def answer_signals() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does; one that is ignored, as under nohup, stays ignored."""
    for number in _ASKING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)


def exit_status(error: BaseException) -> int:
    """128 and the number of the signal, as shells have it; the signal counts as answered then.

    Libraries may have made a plain KeyboardInterrupt of it. A second signal ends the process at once, without a
    traceback from whatever cleans up.
    """
    number = error.number if isinstance(error, Interrupted) else unanswered() or int(signal.SIGINT)
    _unanswered.clear()
    for asking in _ASKING:
        if signal.getsignal(asking) is _raise:
            signal.signal(asking, signal.SIG_DFL)
    return 128 + number


def unanswered() -> int | None:
    """The number of a signal whose exception has been turned into an exit without a word, as Typer does."""
    return _unanswered[-1] if _unanswered else None


def _raise(number: int, frame: FrameType | None) -> None:
    if hasattr(signal, "setitimer") and _lost(frame):
        signal.signal(signal.SIGALRM, lambda _, later: _raise(number, later))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        return
    _unanswered.append(number)
    raise Interrupted(number)


def _lost(frame: FrameType | None) -> bool:
    """Whether an exception would be lost now.

    Libraries turn those that come while they are loaded into errors of their own, or print them; what compiled code
    calls back cannot raise any.
    """
    while frame is not None and frame.f_globals.get("__name__") != "vbpi_mix.cli.main":
        code = frame.f_code
        if code.co_filename.startswith("<frozen importlib") or code.co_name in _SWALLOWING:
            return True
        frame = frame.f_back
    return False
