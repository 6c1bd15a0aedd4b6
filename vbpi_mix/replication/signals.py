"""SIGINT and SIGTERM as an exception, for work that has no step to finish."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """A signal came; not an error, and so not caught as one."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.signal_number = signal_number


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the block when SIGINT or SIGTERM comes.

    `train.fit` answers these signals itself while it runs, after the step at hand. Outside the main thread Python
    allows no handlers, and nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        raise Stopped(number)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
