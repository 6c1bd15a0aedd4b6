"""The folder of a run: the names of its files, and how they are written and read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vbpi_mix.damage import reading
from vbpi_mix.errors import CheckpointError
from vbpi_mix.io.files import atomic_write
from vbpi_mix.train import read_metrics

_ADVICE = "restore the file, or fit again into another folder"


@dataclass(frozen=True)
class RunFolder:
    """The files of a run: their names, and what is read from them.

    Raises:
        CheckpointError: a file that is read is damaged.
    """

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
        """File that records the growth of the support; missing if the candidates were taken as they are."""
        return self.path / "growth.json"

    @property
    def start(self) -> Path:
        """File that records what came before the training, by which program, and how long it took."""
        return self.path / "start.json"

    @property
    def chains(self) -> Path:
        """Trees of the chains that the fit started from; not there if it started from a list."""
        return self.path / "chains.npz"

    @property
    def search(self) -> Path:
        """Results of the search for topologies so far; not there once training has saved."""
        return self.path / "search.results"

    @property
    def chains_so_far(self) -> Path:
        """State of the chains that are run before training; not there once training has saved."""
        return self.path / "chains_so_far.npz"

    @property
    def annealed(self) -> Path:
        """Trees and marginal likelihood from annealing; not there if importance weights were good."""
        return self.path / "annealed.npz"

    @property
    def annealed_groups(self) -> Path:
        """Groups of particles that are annealed so far; not there once annealing is finished."""
        return self.path / "annealing.results"

    @property
    def annealed_rounds(self) -> Path:
        """State of the chains at the posterior that follow annealing; not there once it is finished."""
        return self.path / "annealing_rounds.npz"

    @property
    def candidate_rounds(self) -> Path:
        """State of the chains of the start that go on beside them; not there once annealing is finished."""
        return self.path / "candidate_rounds.npz"

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

    def read_growth(self) -> dict[str, Any]:
        """Record of the search for candidates, see `experiment.start.growth_account`; empty if there was none."""
        return read_json(self.growth) if self.growth.is_file() else {}

    def read_start(self) -> dict[str, Any]:
        """Record of what came before the training; empty if it is not known."""
        return read_json(self.start) if self.start.is_file() else {}

    def read_provenance(self) -> dict[str, Any]:
        """Versions, machine and time of the run; empty where they are not known."""
        return read_json(self.provenance) if self.provenance.is_file() else {}

    def read_metrics(self) -> list[dict[str, Any]]:
        """The records of the training, oldest first; empty where there are none."""
        if not self.metrics.is_file():
            return []
        with reading(self.metrics, CheckpointError, _ADVICE):
            records = read_metrics(self.metrics)
            if not all(isinstance(record, dict) and "iteration" in record for record in records):
                raise ValueError("a line is no record of the training")
            return records


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file under a temporary name, then rename it."""
    with atomic_write(path) as file:
        file.write(json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        CheckpointError: not there, or damaged.
    """
    with reading(path, CheckpointError, _ADVICE):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        return content
