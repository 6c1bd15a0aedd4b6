"""Two processes that do the same work at once: what two threads could gain at most on this machine."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any


class Pair:
    """Two processes of their own, each with its own interpreter, memory and one thread.

    Arguments:
        make: called in both with the arguments of `prepare`; gives the function to run.
    """

    def __init__(self, make: Callable[..., Callable[[], object]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        self._processes: list[Any] = []
        for _ in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make), daemon=True)
            process.start()
            self._connections.append(ours)
            self._processes.append(process)

    def prepare(self, *arguments: object) -> None:
        """Have both make their function, and run it once."""
        self._both(("prepare", arguments))

    def run(self, n_calls: int) -> None:
        """Run the function so many times in both at once; returns when both are done."""
        self._both(("run", n_calls))

    def _both(self, message: tuple[str, object]) -> None:
        for connection in self._connections:
            connection.send(message)
        for connection in self._connections:
            connection.recv()

    def __enter__(self) -> "Pair":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()


def _serve(connection: Connection, make: Callable[..., Callable[[], object]]) -> None:
    function: Callable[[], object] = lambda: None  # noqa: E731 - replaced before it is used
    while True:
        try:
            word, argument = connection.recv()
        except EOFError:
            return
        if word == "prepare":
            function = make(*argument)
            function()
        else:
            for _ in range(argument):
                function()
        connection.send(True)
