"""Configuration of the Table 3 benchmark: models, data and settings."""

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.experiment.build import check
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.recipes import make_config
from vbpi_mix.io.datasets import resolve
from vbpi_mix.io.numbers import parse_share
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, Table3Row, parse_rows

DATA_SETS = tuple(f"DS{i}" for i in range(1, 9))
PUBLISHED_FLOW = "realnvp"  # of the models of Table 3
MODEL = "JC69"  # substitution model of Table 3
REFERENCE_KINDS = ("golden", "short", "wmb")  # the longest MCMC first
PATHS = ("alignment", "trees")  # settings that are kept as names and hashes
# settings of a fit that the table's own options decide
_DECIDED = {
    "alignment": "--data",
    "trees": "--trees",
    "components": "--rows",
    "sampled": "--rows",
    "estimator": "--rows",
    "seed": "--seeds",
    "recipe": "--recipe",
    "flow": "--flow",
    "iterations": "--iterations",
}
# settings that a start depends on, see `experiment.start`
_OF_THE_START = {
    "model", "partitions", "priors", "branch_prior", "branch_prior_rate", "keep_candidates",
    "bootstrap", "bootstrap_replicates", "burn_in",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Table3Data:
    """One data set.

    Arguments:
        name: name as tables and files call it.
        alignment: file of the alignment.
        trees: file of candidate topologies, or None for a bootstrap.
        reference: file of the topologies of an MCMC run with their probabilities, or None.
        reference_kind: a word of `REFERENCE_KINDS`, or None.
    """

    name: str
    alignment: Path
    trees: Path | None = None
    reference: Path | None = None
    reference_kind: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table3Job:
    """One model: data set, row, seed."""

    data: Table3Data
    row: Table3Row
    seed: int


@dataclass(frozen=True, kw_only=True)
class Table3Config:
    """Models that a call of the benchmark trains; made by `make_table3_config`.

    Arguments:
        data: data sets.
        rows: rows of the table.
        seeds: seeds of all random numbers.
        recipe: recipe of the training.
        flow: flow of the branch lengths.
        iterations: number of iterations in place of the recipe's.
        extra: further settings of `FitConfig`.
        label: word at the end of every model's name, to tell it from one with other settings.
        n_repeats: number of repeats of the evaluation ...
        n_samples: ... with so many draws of each component.
    """

    data: tuple[Table3Data, ...]
    rows: tuple[Table3Row, ...] = TABLE3_ROWS
    seeds: tuple[int, ...] = (1, 2, 3)
    recipe: str = "default"
    flow: str = PUBLISHED_FLOW
    iterations: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    n_repeats: int = 100
    n_samples: int = 1000

    def jobs(self) -> list[Table3Job]:
        """All models: a whole table of the first seed, then of the next; rows that share a start side by side."""
        return [Table3Job(data=d, row=r, seed=s) for s in self.seeds for d in self.data for r in self.rows]

    def fit_config(self, job: Table3Job) -> FitConfig:
        """The settings of a model's fit."""
        return make_config(
            alignment=str(job.data.alignment),
            trees=None if job.data.trees is None else (str(job.data.trees),),
            components=job.row.n_components,
            sampled=job.row.n_sampled,
            estimator=job.row.estimator,
            seed=job.seed,
            recipe=self.recipe,
            flow=self.flow,
            iterations=self.iterations,
            **{"model": MODEL, "start": "list", "finish": "importance", **self.extra},
        )

    def name(self, job: Table3Job) -> str:
        """Name of a model's run folder and record: DS1_A4_S1_s2a_seed1_default_realnvp."""
        words = [job.data.name, job.row.name, f"seed{job.seed}", self.recipe, self.flow]
        return "_".join([*words, *([] if self.label is None else [self.label])])

    def start_name(self, job: Table3Job) -> str:
        """Name of the file that all rows of a data set and seed start from.

        Candidates as they are have their own; so have those that a further setting makes others, if there is a label.
        """
        words = [job.data.name, f"seed{job.seed}"]
        words += ["candidates"] if self.recipe == "paper" else []
        words += [self.label] if self.label is not None and self.extra.keys() & _OF_THE_START else []
        return "_".join(words)

    def of_model(self, job: Table3Job) -> dict[str, Any]:
        """Everything that a model and its figures depend on: the settings of the fit with hashes in place of paths."""
        fit = self.fit_config(job)
        settings = {name: _as_json(value) for name, value in asdict(fit).items() if name not in PATHS}
        if fit.partitions:
            settings |= {"partitions": Path(fit.partitions).name, "partitions_sha256": file_hash(Path(fit.partitions))}
        return {
            "data": job.data.name,
            **settings,
            "label": self.label,
            "n_repeats": self.n_repeats,
            "n_samples": self.n_samples,
            "alignment_sha256": file_hash(job.data.alignment),
            "trees": None if job.data.trees is None else job.data.trees.name,
            "trees_sha256": None if job.data.trees is None else file_hash(job.data.trees),
            "reference": None if job.data.reference is None else job.data.reference.name,
        }


def settings_default(name: str) -> Any:
    """Value assumed for a record that was written before a setting existed: the setting's default, or None."""
    known = {f.name: f.default for f in fields(FitConfig)} | {"model": MODEL}
    default = known.get(name)
    return None if default is MISSING else _as_json(default)


def _as_json(value: Any) -> Any:
    """A value as it comes back from JSON."""
    return list(value) if isinstance(value, tuple) else value


def make_table3_config(
    *,
    data: str | None = None,
    rows: str | Sequence[str] = "all",
    n_seeds: int = 3,
    first_seed: int = 1,
    recipe: str = "default",
    flow: str | None = None,
    iterations: int | None = None,
    trees: Path | None = None,
    references: Path | None = None,
    settings: Sequence[str] = (),
    label: str | None = None,
    n_repeats: int = 100,
) -> Table3Config:
    """The models that a user asks for; everything that can be wrong is found here, before anything is computed.

    Arguments:
        data: data sets of the catalogue or alignment files, separated by commas; None: DS1 to DS8.
        rows: see `parse_rows`.
        n_seeds: number of seeds.
        first_seed: the first of them; the others follow.
        recipe: see `experiment.recipes`.
        flow: flow of the branch lengths; None: the published RealNVP.
        iterations: number of iterations in place of the recipe's.
        trees: candidate topologies: a file, or a folder with NAME.ufboot.topologies.tsv.gz; None: a bootstrap.
        references: folder with NAME.KIND.topologies.tsv.gz of MCMC runs, KIND golden, short or wmb, the first of these.
        settings: NAME=VALUE of further settings of `FitConfig`.
        label: see `Table3Config`.
        n_repeats: repeats of the evaluation, of 1,000 draws of each component; the published number is 100.

    Raises:
        ConfigError, InputError: an unknown word or setting, something twice, a file that is not there.
    """
    if n_seeds < 1:
        raise ConfigError(f"the number of seeds must be at least 1, not {n_seeds}")
    if first_seed < 0:
        raise ConfigError(f"the first seed must not be negative, is {first_seed}")
    if n_repeats < 2:
        raise ConfigError(f"the number of repeats must be at least 2, for a standard deviation, not {n_repeats}")
    if label is not None and not re.fullmatch(r"[A-Za-z0-9.-]+", label):
        raise ConfigError(f"label '{label}': use letters, digits, points and hyphens only: it is part of file names")
    if references is not None and not references.is_dir():
        raise InputError(f"--references {references}: there is no such folder")
    if trees is not None and not trees.exists():
        raise InputError(f"--trees {trees}: there is no such file or folder")
    config = Table3Config(
        data=_data(DATA_SETS if data is None else data.split(","), trees, references),
        rows=parse_rows([rows] if isinstance(rows, str) else rows),
        seeds=tuple(range(first_seed, first_seed + n_seeds)),
        recipe=recipe,
        flow=PUBLISHED_FLOW if flow is None else flow,
        iterations=iterations,
        extra=parse_settings(settings),
        label=label,
        n_repeats=n_repeats,
    )
    for job in config.jobs():
        check(config.fit_config(job))
    return config


def parse_settings(words: Sequence[str]) -> dict[str, Any]:
    """Settings of `FitConfig` from NAME=VALUE, each of its field's type.

    Raises:
        ConfigError: another form, an unknown name, one that an option decides, one given twice, a value of another
            type.
    """
    kinds = {f.name: f.type for f in fields(FitConfig)}
    values: dict[str, Any] = {}
    for word in words:
        name, sign, text = (part.strip() for part in word.partition("="))
        if not sign or not name:
            raise ConfigError(f"--set {word}: is not NAME=VALUE, such as particles=20")
        if name in _DECIDED:
            raise ConfigError(f"--set {word}: {name} is decided by {_DECIDED[name]}")
        if name not in kinds:
            free = ", ".join(sorted(kinds.keys() - _DECIDED.keys()))
            raise ConfigError(f"--set {word}: unknown setting '{name}'; there are {free}")
        if name in values:
            raise ConfigError(f"--set {word}: {name} is given twice")
        values[name] = parse_share(text) if name == "burn_in" else _value(text, kinds[name], word)
    return values


def _value(text: str, kind: Any, word: str) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        choices = [choice for choice in get_args(kind) if choice is not type(None)]
        if text.lower() == "none" and len(choices) < len(get_args(kind)):
            return None
        kind = choices[0]
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ConfigError(f"--set {word}: choose one of {', '.join(map(str, get_args(kind)))}")
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"--set {word}: the value must be true or false")
        return text.lower() == "true"
    if kind not in (int, float, str):
        raise ConfigError(f"--set {word}: this setting cannot be given in one word")
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"--set {word}: '{text}' is not of type {kind.__name__}") from None


def _data(names: Sequence[str], trees: Path | None, references: Path | None) -> tuple[Table3Data, ...]:
    if trees is not None and trees.is_file() and len(names) > 1:
        raise ConfigError(f"--trees {trees}: one file for {len(names)} data sets; give a folder with a file for each")
    found: list[Table3Data] = []
    for given in names:
        if not given.strip():
            raise ConfigError("--data: a name is empty; separate names by single commas, as in DS1,DS5")
        alignment = resolve(given.strip())
        if alignment.is_dir():
            raise InputError(f"--data {given}: is a folder; give an alignment file or a name such as DS1")
        name = alignment.name.removesuffix(".gz").rsplit(".", 1)[0]
        if any(other.name == name for other in found):
            raise ConfigError(f"data set {name} is given twice: leave one out, or rename a file")
        kinds = [] if references is None else [k for k in REFERENCE_KINDS if _topologies(references, name, k).is_file()]
        found.append(
            Table3Data(
                name=name,
                alignment=alignment,
                trees=_trees(trees, name),
                reference=_topologies(references, name, kinds[0]) if references is not None and kinds else None,
                reference_kind=kinds[0] if kinds else None,
            )
        )
    return tuple(found)


def _trees(trees: Path | None, name: str) -> Path | None:
    if trees is None or trees.is_file():
        return trees
    path = _topologies(trees, name, "ufboot")
    if not path.is_file():
        raise InputError(f"--trees {trees}: the folder has no {path.name}; leave --trees out to make a bootstrap")
    return path


def _topologies(folder: Path, name: str, kind: str) -> Path:
    return folder / f"{name}.{kind}.topologies.tsv.gz"


@cache
def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, read once."""
    return sha256(path.read_bytes()).hexdigest()
