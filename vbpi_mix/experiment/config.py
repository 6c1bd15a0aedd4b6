"""Everything that decides the outcome of a fit, as one value that is saved with it."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import tomli_w

from vbpi_mix.damage import reading
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators.plan import Estimator
from vbpi_mix.support.features import FeatureKind
from vbpi_mix.variational.mixture import Tying
from vbpi_mix.variational.problem import Gradient

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

Recipe = Literal["default", "paper"]
Bootstrap = Literal["veryfasttree", "iqtree"]
Stop = Literal["iterations", "plateau"]
StartKind = Literal["auto", "list", "sample"]
Finish = Literal["auto", "importance", "anneal"]
DataTypeChoice = Literal["auto", "dna", "protein", "standard"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """The settings of a fit; paths are kept as given, for the record.

    `vbpi-mix fit` has an option for each, tested against these fields.

    Arguments:
        alignment: Alignment file.
        trees: Files of candidate topologies, or folders of runs to draw them from; if empty, a bootstrap is made.
        burn_in: Share of each tree file dropped from its beginning.
        bootstrap: Program that makes the candidates when no trees are given.
        bootstrap_replicates: Number of bootstrap replicates.
        keep_candidates: Whether the default recipe keeps candidates of negligible weight in the support.
        data_type: Kind of the alignment's data; "auto": as the file says, or as they look.
        model: Substitution model; parameters without a value in it are inferred. Where it is the default, which is one
            of nucleotides, other data have defaults of their own (`experiment.build.DEFAULT_MODELS`).
        codon_positions: Whether the three codon positions are parts, each with a model.
        partitions: File that divides the sites into parts, each with a model; empty for one part.
        priors: Priors of the model's parameters, as in `model.parse_priors`; MrBayes's where none is given.
        constraints: Statements that topologies must satisfy, see `io.constraint_files`; none: all are allowed.
        branch_prior: Prior of branch lengths: "exponential", or another, see `model.parse_branch_prior`.
        branch_prior_rate: Rate of the exponential prior of branch lengths, per expected substitution per site.
        tie_parameters: Whether all components share one distribution of the model's parameters.
        components: Number of components A of the mixture.
        sampled: Number of components S drawn in a step.
        estimator: Estimator: which components draw, and which evaluate; see `estimators.plan`.
        particles: Number of particles K per drawn component.
        tying: Part of the model that the components share.
        features: Features of a branch that its length depends on.
        flow: Flow of the branch lengths, a key of `branch.FLOWS`.
        flow_layers: Layers of the flow; 0 where it has no such number.
        flow_hidden: Hidden units of each layer; 0 where the flow has no such number.
        flow_per_component: Whether each component has a flow of its own.
        recipe: Named set of defaults, see `experiment.recipes`.
        start: Start of the fit: a list of weighted topologies, a sample of chains, or what suits the posterior.
        finish: Source of the posterior: importance weights of the mixture, annealing, or what suits it.
        gradient: Gradient of the branch model, see `variational.PhyloProblem`.
        stop: Rule for the end of training: after all iterations, or once the bound has stopped rising
            (`train.PlateauRule`).
        iterations: Number of optimiser steps; the largest number where `stop` is "plateau".
        annealing_iterations: Number of steps over which the inverse temperature rises to 1.
        decay_every: Steps between multiplications of the learning rates by 0.75; not used with "plateau".
        rate_topology, rate_base, rate_flow, rate_parameters: Adam's learning rates.
        refresh_every: Steps between searches for topologies that the support lacks (`experiment.refresh`); 0 for none.
        learn_weights: Whether component weights are learned after training (`evaluate.component_weights`).
        seed: Seed of all random number streams.
    """

    alignment: str
    trees: tuple[str, ...] = ()
    burn_in: float = 0.0
    bootstrap: Bootstrap = "veryfasttree"
    bootstrap_replicates: int = 60
    keep_candidates: bool = False
    data_type: DataTypeChoice = "auto"
    model: str = "GTR+G4"
    codon_positions: bool = False
    partitions: str = ""
    priors: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    branch_prior: str = "exponential"
    branch_prior_rate: float = 10.0
    tie_parameters: bool = False
    components: int = 4
    sampled: int = 2
    estimator: Estimator = "s2a"
    particles: int = 10
    tying: Tying = "none"
    features: FeatureKind = "psp"
    flow: str = "identity"
    flow_layers: int = 0
    flow_hidden: int = 0
    flow_per_component: bool = False
    recipe: Recipe = "default"
    start: StartKind = "auto"
    finish: Finish = "auto"
    gradient: Gradient = "total"
    stop: Stop = "iterations"
    iterations: int
    annealing_iterations: int
    decay_every: int
    rate_topology: float
    rate_base: float
    rate_flow: float
    rate_parameters: float = 0.002
    refresh_every: int = 0
    learn_weights: bool = False
    seed: int = 1

    def to_toml(self) -> str:
        values = {**asdict(self), "trees": list(self.trees), "priors": list(self.priors)}
        values["constraints"] = list(self.constraints)
        return tomli_w.dumps({name: recorded(value) for name, value in values.items()})

    @property
    def data_name(self) -> str:
        """Name of the alignment without its folder, as it is shown."""
        return recorded(Path(self.alignment).name)

    def with_iterations(self, iterations: int) -> "FitConfig":
        """The same run, trained for another number of steps; the schedules stay as they are."""
        return replace(self, iterations=iterations)


def recorded(value: Any) -> Any:
    """A value with the bytes of file names that are not UTF-8 as escapes, which TOML can hold."""
    if isinstance(value, list | tuple):
        return type(value)(recorded(x) for x in value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value


def load_config(path: Path) -> FitConfig:
    """Read a saved `config.toml`.

    Raises:
        ConfigError: not there, not TOML, an unknown or missing setting, a value of the wrong type.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): is this the folder of a run?") from error
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    with reading(path, ConfigError, "restore the file"):
        return config_from(values, str(path))


def config_from(values: Mapping[str, Any], source: str) -> FitConfig:
    """A checked configuration from plain values; `source` is named in messages."""
    known = {f.name: f for f in fields(FitConfig)}
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        raise ConfigError(f"{source}: unknown setting '{unknown[0]}'")
    checked: dict[str, Any] = {}
    for name, value in values.items():
        kind = known[name].type
        if name in ("trees", "priors", "constraints"):
            value = tuple(str(x) for x in value)
        elif kind is float and isinstance(value, int):
            value = float(value)
        elif kind in (int, float, str, bool) and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            raise ConfigError(f"{source}: '{name}' must be {kind.__name__}, is {value!r}")
        elif get_origin(kind) is Literal and value not in get_args(kind):
            raise ConfigError(f"{source}: unknown {name} '{value}': choose one of {', '.join(get_args(kind))}")
        checked[name] = value
    try:
        return FitConfig(**checked)
    except TypeError as error:
        raise ConfigError(f"{source}: incomplete: {error}") from error
