"""Training metrics as one JSON object per line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class MetricsFile:
    """An append-only file of JSON lines that stays in step with the checkpoint across a resume."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, *, last_iteration: int) -> None:
        """Keep the lines up to an iteration (0: none), drop later or half-written ones."""
        kept = []
        if last_iteration > 0 and self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    iteration = json.loads(line)["iteration"]
                except (ValueError, KeyError, TypeError):
                    break  # a line cut short by a crash: it and what follows are written anew
                if iteration > last_iteration:
                    break
                kept.append(line + "\n")
        temporary = self.path.with_name(self.path.name + ".partial")
        temporary.write_text("".join(kept), encoding="utf-8")
        temporary.replace(self.path)

    def append(self, record: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics file, oldest first."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
