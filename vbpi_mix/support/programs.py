"""Running other programs."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from vbpi_mix.errors import BackendError

_BETWEEN = 1.0  # seconds
_running: set[subprocess.Popen[bytes]] = set()


def run_program(command: list[str], standard_input: bytes = b"", *, meanwhile: Callable[[], None] | None = None) -> str:
    """Standard output of a program; an exception meanwhile (a signal) ends the program.

    Arguments:
        command: words of the command.
        standard_input: text that the program reads.
        meanwhile: called every second while it runs; may raise.

    Raises:
        BackendError: it cannot be started or ends with an error; what it said last is in the message.
    """
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=True
        )
    except OSError as error:
        raise BackendError(f"{command[0]} cannot be started: {error}") from error
    _running.add(process)
    try:
        output_bytes, error_bytes = _wait(process, standard_input, meanwhile)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        _running.discard(process)
    output = output_bytes.decode(errors="replace")
    if process.returncode != 0:
        last_lines = (error_bytes.decode(errors="replace").strip() or output.strip() or "nothing").splitlines()[-3:]
        raise BackendError(
            f"{Path(command[0]).name} ended with status {process.returncode} and said: {' '.join(last_lines)}"
        )
    return output


def _wait(
    process: subprocess.Popen[bytes], standard_input: bytes, meanwhile: Callable[[], None] | None
) -> tuple[bytes, bytes]:
    if meanwhile is None:
        return process.communicate(standard_input)
    while True:
        try:
            return process.communicate(standard_input, timeout=_BETWEEN)
        except subprocess.TimeoutExpired:
            meanwhile()


def stop_programs() -> None:
    """End every program that other threads run at the moment; `run_program` then raises there."""
    for process in list(_running):
        process.kill()
