"""Signals that ask the program to end: each becomes an exception, so that every stage cleans up alike."""

import signal
from types import FrameType
from typing import NoReturn

_ASKING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """A signal other than Ctrl-C asked the program to end.

    Arguments:
        number: Number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def answer_signals() -> None:
    """Treat SIGTERM and SIGHUP as Ctrl-C; one that is ignored, as under nohup, stays ignored."""
    for number in _ASKING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)


def exit_status(error: BaseException) -> int:
    """128 and the number of the signal, as shells have it."""
    return 128 + (error.number if isinstance(error, Interrupted) else int(signal.SIGINT))


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise Interrupted(number)
