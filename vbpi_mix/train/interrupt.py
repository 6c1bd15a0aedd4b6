"""Turn SIGINT, SIGTERM and SIGHUP into a request that the loop answers after the current step."""

import signal
import threading
from types import FrameType, TracebackType


class StopRequest:
    """While entered, the first SIGINT, SIGTERM or SIGHUP is remembered in `signal_number`; a second one acts at once.

    Outside the main thread Python allows no signal handlers: the object then never asks to stop.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
                if number in self._previous or signal.getsignal(number) is signal.SIG_IGN:  # as under nohup
                    continue
                self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal_number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
