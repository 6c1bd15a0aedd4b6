"""Records of trained models, gathered into the cells of the table."""

import json
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

from vbpi_mix.damage import reading
from vbpi_mix.errors import InputError
from vbpi_mix.estimators import Estimator
from vbpi_mix.replication.table3.config import settings_default
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, Table3Row

Key = tuple[str, Table3Row]
# settings that may differ between the models of one table
_OF_THE_MODEL = {
    "data", "components", "sampled", "estimator", "seed", "alignment_sha256", "trees", "trees_sha256", "reference",
}  # fmt: skip
_NEEDED = ("evaluation", "operations", "seconds", "curve")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The models of one row and data set, one per seed.

    Arguments:
        seeds: seeds in order.
        results: results of the records, in the same order.
    """

    seeds: tuple[int, ...]
    results: tuple[Mapping[str, Any], ...]

    def values(self, path: str) -> list[float]:
        """A number of each model that has it; `path` as in evaluation.log_ml."""
        found = []
        for result in self.results:
            value: Any = result
            for name in path.split("."):
                value = value.get(name) if isinstance(value, Mapping) else None
            if value is not None:
                found.append(float(value))
        return found

    def mean(self, path: str) -> float | None:
        """Mean over the seeds; None unless every model has the number."""
        values = self.values(path)
        return statistics.fmean(values) if values and len(values) == len(self.seeds) else None

    def spread(self, path: str) -> float | None:
        """Standard deviation between seeds; None for one seed."""
        values = self.values(path)
        return statistics.stdev(values) if len(values) > 1 and len(values) == len(self.seeds) else None

    @cached_property
    def nll(self) -> float | None:
        """-log ML as the paper prints it."""
        value = self.mean("evaluation.log_ml")
        return None if value is None else -value

    @cached_property
    def nll_sd(self) -> float | None:
        """Standard deviation of the estimates of all repeats and seeds together, as in the paper's brackets."""
        within = self.values("evaluation.log_ml_std")
        if len(within) < len(self.seeds):
            return None
        between = self.spread("evaluation.log_ml") or 0.0
        return (statistics.fmean(x * x for x in within) + between**2) ** 0.5


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One table: all models trained in the same way.

    Arguments:
        words: recipe, flow, and the label if there is one.
        cells: cells by data set and row.
        settings: settings of the fits that all models share.
        varying: names of the settings that differ where they should not, with the values found.
        provenance: distinct (commit, processor, torch) of the records, and threads.
    """

    words: tuple[str, ...]
    cells: Mapping[Key, Cell]
    settings: Mapping[str, Any]
    varying: Mapping[str, tuple[Any, ...]]
    provenance: tuple[tuple[str, str, str, int], ...]

    @property
    def name(self) -> str:
        """default_realnvp: as files are named."""
        return "_".join(self.words)

    @property
    def title(self) -> str:
        """Title for people."""
        recipe, flow, *label = self.words
        return ", ".join([f"recipe {recipe}", f"flow {flow}", *label])

    @cached_property
    def data(self) -> tuple[str, ...]:
        """Names of the data sets, DS2 before DS10."""
        return tuple(sorted({data for data, _ in self.cells}, key=_by_number))

    def cell(self, data: str, row: Table3Row) -> Cell | None:
        return self.cells.get((data, row))


def load_results(folder: Path) -> tuple[Variant, ...]:
    """The records in `folder/models`, or in the folder itself if it has no such folder.

    Raises:
        InputError: no such folder, no records, or files that are not records of this benchmark.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; give the one that `vbpi-mix bench table3 -o` wrote")
    models = folder / "models" if (folder / "models").is_dir() else folder
    records = [_record(path) for path in sorted(models.glob("*.json"))]
    if not records:
        raise InputError(f"{models}: holds no records yet; `vbpi-mix bench table3 -o {folder}` writes them")
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in records:
        config = record["config"]
        label = () if config.get("label") is None else (config["label"],)
        groups.setdefault((config["recipe"], config["flow"], *label), []).append(record)
    # the default recipe and no label first
    return tuple(_variant(words, groups[words]) for words in sorted(groups, key=lambda w: (w[0] != "default", w)))


def _record(path: Path) -> dict[str, Any]:
    with reading(path, InputError, "not the record of a benchmark; delete it to make it anew"):
        record = json.loads(path.read_text(encoding="utf-8"))
        config, result, _ = record["config"], record["result"], record["provenance"]
        toy = "energy" in config and "latents" in config
        whole = all(name in result for name in _NEEDED) and {"data", "recipe", "flow"} <= config.keys()
    if toy:
        raise InputError(
            f"{path} is a result of the toy benchmark, which `vbpi-mix bench toy -o {path.parent.parent}` with its "
            "options renders itself"
        )
    if not whole or config.get("estimator") not in get_args(Estimator):
        raise InputError(f"{path} is not a record of `vbpi-mix bench table3`: move it elsewhere, or delete it")
    return record


def _variant(words: tuple[str, ...], records: list[dict[str, Any]]) -> Variant:
    found: dict[Key, dict[int, Mapping[str, Any]]] = {}
    for record in records:
        config = record["config"]
        row = Table3Row(
            estimator=cast(Estimator, config["estimator"]),
            n_components=config["components"],
            n_sampled=config["sampled"],
        )
        of_seed = found.setdefault((config["data"], row), {})
        if config["seed"] in of_seed:
            raise InputError(
                f"two records of {config['data']} {row.word}, seed {config['seed']}, {'_'.join(words)}: keep one"
            )
        of_seed[config["seed"]] = record["result"]
    names = sorted({name for record in records for name in record["config"]} - _OF_THE_MODEL)
    values = {name: _distinct([r["config"].get(name, settings_default(name)) for r in records]) for name in names}
    made = [
        (
            str(record["provenance"].get("commit"))[:7],
            str(record["provenance"].get("processor")),
            str(record["provenance"].get("packages", {}).get("torch")),
            int(record["result"].get("threads", 0)),
        )
        for record in records
    ]
    return Variant(
        words=words,
        cells={
            key: Cell(seeds=tuple(sorted(by_seed)), results=tuple(by_seed[seed] for seed in sorted(by_seed)))
            for key, by_seed in sorted(found.items(), key=lambda item: (_by_number(item[0][0]), _place(item[0][1])))
        },
        settings={name: each[0] for name, each in values.items() if len(each) == 1},
        varying={name: tuple(each) for name, each in values.items() if len(each) > 1},
        provenance=tuple(sorted(set(made))),
    )


def _distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _by_number(name: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name))


def _place(row: Table3Row) -> int:
    return TABLE3_ROWS.index(row) if row in TABLE3_ROWS else len(TABLE3_ROWS)
