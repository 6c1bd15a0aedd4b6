"""Commands and Python code of the documentation, run in this process: none waits for a start of its own.

Trainings and evaluations are cut short. What a page does in a folder in which another page has done the same before,
with equal files, is copied.
"""

import hashlib
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import vbpi_mix as vm

ITERATIONS = 100
# options that are added to those of a page: the last one counts
SHORT = {
    "fit": ["--iterations", str(ITERATIONS)],
    "models": ["--iterations", str(ITERATIONS), "--repeats", "2"],
    **{name: ["--repeats", "2"] for name in ("ask", "diagnose", "evaluate", "report")},
}
_KEPT = ("fit", "models", "batch")


class Shell:
    """Runs shell commands one line after the other.

    Arguments:
        kept: Folder for what commands have left, kept for other pages.
    """

    def __init__(self, kept):
        self.kept = kept
        self._known = {}

    def run(self, commands, folder, program):
        """Run lines in a folder, the working folder of this process; `program` runs the program in this process.

        Returns:
            How many commands were run; each of them has ended with status 0.
        """
        n_run = 0
        for line in commands.splitlines():
            words = shlex.split(line, comments=True)
            n_run += bool(words)
            if words and words[0] == "vbpi-mix" and not any(re.match(r"\d?[|&<>;]", word) for word in words):
                self._run(words[1:], folder, program)
            elif words:  # whole, as it stands there
                result = subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=folder, capture_output=True)
                assert result.returncode == 0, (line, result.stderr)
        return n_run

    def _run(self, words, folder, program):
        key = (*words, _digest(folder))
        if key in self._known:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copytree(self._known[key], folder, dirs_exist_ok=True)
            return
        status, _, err = program(*words, *SHORT.get(words[0], []))
        assert status == 0, (words, err[-4000:])
        if words[0] in _KEPT:
            self._known[key] = self.kept / str(len(self._known))
            shutil.copytree(folder, self._known[key])


def _digest(folder: Path) -> str:
    """Hash of the names and the contents of all files in a folder."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


_fit, _make_config = vm.fit, vm.make_config


@cache
def _fit_in_memory(alignment, settings):
    return _fit(alignment, **dict(settings))


def short_fit(alignment, *, output=None, **settings):
    """`vbpi_mix.fit` with few iterations; a fit in memory that is asked for again is the same."""
    settings["iterations"] = ITERATIONS
    if output is not None:
        return _fit(alignment, output=output, **settings)
    return _fit_in_memory(alignment, tuple(sorted(settings.items())))


def short_config(**settings):
    """`vbpi_mix.make_config` with few iterations."""
    return _make_config(**settings | {"iterations": ITERATIONS})
