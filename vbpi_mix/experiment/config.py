"""Everything that decides the outcome of a fit, as one value that is saved with it."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import tomli_w

from vbpi_mix.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

Recipe = Literal["default", "paper"]
Bootstrap = Literal["veryfasttree", "iqtree"]
Stop = Literal["iterations", "plateau"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """The settings of a fit; paths are kept as given, for the record.

    Arguments:
        alignment: the alignment file.
        trees: files of candidate topologies, or folders of runs to draw them from; none: a bootstrap is made.
        burn_in: share of each tree file dropped from its beginning.
        bootstrap: program that makes the candidates when no trees are given.
        bootstrap_replicates: its replicates.
        keep_candidates: the default recipe keeps candidates of negligible weight in the support.
        model: substitution model; what it gives no values for is inferred.
        partitions: file that divides the sites into parts, each with a model; none: one part.
        priors: of the model's parameters, as in `model.parse_priors`; MrBayes's where nothing is said.
        branch_prior: "exponential", or another prior of branch lengths, see `model.parse_branch_prior`.
        branch_prior_rate: rate of the exponential prior of branch lengths, per expected substitution per site.
        tie_parameters: one distribution of the model's parameters, shared by all components.
        components: A.
        sampled: S.
        estimator: "a2a", "s2a" or "s2s".
        particles: K.
        tying: "none", "topology" or "branch".
        features: "psp" or "split".
        flow: a word of `branch.FLOWS`.
        flow_layers, flow_hidden: its layers, and hidden units of each; 0 where a flow has no such number.
        flow_per_component: a flow for each component in place of one that they share.
        recipe: "default" or "paper", see `experiment.recipes`.
        gradient: "total" or "path", see `variational.PhyloProblem`.
        iterations: optimiser steps; with `stop` "plateau" at most.
        stop: "iterations", or "plateau": once the bound has stopped rising, see `train.PlateauRule`.
        annealing_iterations: steps over which the inverse temperature rises to 1.
        refresh_every: steps between looks for topologies that the support lacks (`experiment.refresh`); 0: none.
        learn_weights: weigh the components, equally in training, by weights found after it
            (`evaluate.component_weights`).
        decay_every: steps between multiplications of the learning rates by 0.75; not used with "plateau".
        rate_topology, rate_base, rate_flow, rate_parameters: Adam's learning rates.
        seed: of every random number.
    """

    alignment: str
    trees: tuple[str, ...] = ()
    burn_in: float = 0.0
    bootstrap: Bootstrap = "veryfasttree"
    bootstrap_replicates: int = 60
    keep_candidates: bool = False
    model: str = "JC69"
    partitions: str = ""
    priors: tuple[str, ...] = ()
    branch_prior: str = "exponential"
    branch_prior_rate: float = 10.0
    tie_parameters: bool = False
    components: int = 4
    sampled: int = 2
    estimator: str = "s2a"
    particles: int = 10
    tying: str = "none"
    features: str = "psp"
    flow: str = "identity"
    flow_layers: int = 0
    flow_hidden: int = 0
    flow_per_component: bool = False
    recipe: Recipe = "default"
    gradient: str = "total"
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
        return tomli_w.dumps({**asdict(self), "trees": list(self.trees), "priors": list(self.priors)})

    def with_iterations(self, iterations: int) -> "FitConfig":
        """The same run, trained for another number of steps; the schedules stay as they are."""
        return replace(self, iterations=iterations)


def load_config(path: Path) -> FitConfig:
    """Read a saved `config.toml`.

    Raises:
        ConfigError: not there, not TOML, an unknown or missing setting, a value of the wrong type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): is this the folder of a run?") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
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
        if name in ("trees", "priors"):
            value = tuple(str(x) for x in value)
        elif kind is float and isinstance(value, int):
            value = float(value)
        elif kind in (int, float, str, bool) and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            raise ConfigError(f"{source}: '{name}' must be {kind.__name__}, is {value!r}")
        for word, choices in (("recipe", Recipe), ("bootstrap", Bootstrap), ("stop", Stop)):
            if name == word and value not in get_args(choices):
                raise ConfigError(f"{source}: unknown {word} '{value}': choose one of {', '.join(get_args(choices))}")
        checked[name] = value
    try:
        return FitConfig(**checked)
    except TypeError as error:
        raise ConfigError(f"{source}: incomplete: {error}") from error
