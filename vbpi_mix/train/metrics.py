"""Training metrics as one JSON object per line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vbpi_mix.writing import append_line, atomic_write


class MetricsFile:
    """An append-only file of JSON lines that stays in step with the checkpoint across a resume."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, *, last_iteration: int) -> None:
        """Keep the lines up to an iteration (0: none), drop later or half-written ones."""
        kept = []
        if last_iteration > 0 and self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    iteration = json.loads(line)["iteration"]
                except (ValueError, KeyError, TypeError):
                    break  # a line cut short by a crash: it and what follows are written anew
                if iteration > last_iteration:
                    break
                kept.append(line + "\n")
        with atomic_write(self.path) as file:
            file.writelines(kept)

    def append(self, record: Mapping[str, Any]) -> None:
        append_line(self.path, json.dumps(record))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics file, oldest first."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
