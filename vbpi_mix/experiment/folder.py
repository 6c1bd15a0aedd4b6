"""The folder of a run: the names of its files, and how they are written and read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vbpi_mix.errors import CheckpointError
from vbpi_mix.io.files import atomic_write


@dataclass(frozen=True)
class RunFolder:
    """The names of a run's files."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def inputs(self) -> Path:
        return self.path / "inputs.npz"

    @property
    def bootstrap(self) -> Path:
        """Finished replicates of the bootstrap, if one is made."""
        return self.path / "bootstrap.tsv"

    @property
    def growth(self) -> Path:
        """How the support came about; not there if it was taken from candidates as they are."""
        return self.path / "growth.json"

    @property
    def start(self) -> Path:
        """What came before the training, by which program, and how long it took."""
        return self.path / "start.json"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def posterior(self) -> Path:
        return self.path / "posterior"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """The figures of the report."""
        return self.path / "figures"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file under a temporary name, then rename it."""
    with atomic_write(path) as file:
        file.write(json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        CheckpointError: not there, or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}): delete the folder to make the run anew") from error
