"""Running other programs."""

import subprocess
from pathlib import Path

from vbpi_mix.errors import BackendError


def run_program(command: list[str], standard_input: bytes = b"") -> str:
    """What a program writes to its standard output.

    Raises:
        BackendError: it cannot be started or ends with an error; what it said last is in the message.
    """
    try:
        done = subprocess.run(command, input=standard_input, capture_output=True, check=False)
    except OSError as error:
        raise BackendError(f"{command[0]} cannot be started: {error}") from error
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace").strip() or output.strip() or "nothing").splitlines()[-3:]
        raise BackendError(f"{Path(command[0]).name} ended with status {done.returncode} and said: {' '.join(said)}")
    return output
