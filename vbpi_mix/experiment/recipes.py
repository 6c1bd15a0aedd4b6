"""Named ways to train: the published one, and the one that gets as far in a fraction of the time."""

from typing import Any

from vbpi_mix.branch import flow_sizes
from vbpi_mix.errors import ConfigError
from vbpi_mix.experiment.config import FitConfig, config_from
from vbpi_mix.io.constraint_files import constraint_statements

RECIPES: dict[str, dict[str, Any]] = {
    # Exactly the published training: uniform tables, tempering over a quarter of the way, Adam 0.001 x 0.75 per 20k
    "paper": {
        "model": "JC69",
        "iterations": 400_000,
        "start": "list",
        "finish": "importance",
        "annealing_iterations": 100_000,
        "decay_every": 20_000,
        "rate_topology": 0.001,
        "rate_base": 0.001,
        "rate_flow": 0.001,
    },
    # From Laplace-weighted candidates, EM-fitted tables and fitted lengths (`start`): no tempering, as many steps as
    # pay. Tables are right from the start, and steps of 0.001 would only shake them
    "default": {
        "flow": "skew",
        "gradient": "path",
        "stop": "plateau",
        "iterations": 20_000,
        "annealing_iterations": 0,
        "rate_topology": 0.0001,
        "rate_base": 0.002,
        "rate_flow": 0.001,
    },
}


def make_config(*, alignment: str, recipe: str = "default", **given: Any) -> FitConfig:
    """A configuration from a recipe and the settings that the user gave; None means not given.

    `sampled` follows the mixture where it is not given: all components for "a2a", else at most two. Candidates are
    kept whatever their weight if they are the user's `trees`, not if they come from a bootstrap.

    `constraints` are files or statements, see `io.constraint_files.constraint_statements`.

    Raises:
        ConfigError: An unknown recipe, setting or flow.
        InputError: Constraints that cannot be read.

    Examples:
        >>> import vbpi_mix as vm
        >>> config = vm.make_config(alignment="primates", components=4, estimator="s2a")
        >>> config.model, config.components, config.sampled
        ('GTR+G4', 4, 2)
    """
    if recipe not in RECIPES:
        raise ConfigError(f"unknown recipe '{recipe}': choose one of {', '.join(RECIPES)}")
    chosen = {name: value for name, value in given.items() if value is not None}
    values = {**RECIPES[recipe], **chosen, "alignment": alignment, "recipe": recipe}
    components = values.setdefault("components", FitConfig.components)
    estimator = values.setdefault("estimator", FitConfig.estimator)
    values.setdefault("sampled", components if estimator == "a2a" else min(components, FitConfig.sampled))
    if values.get("bootstrap") == "iqtree":  # which refuses less than 1,000, and whose trees are cheap
        values.setdefault("bootstrap_replicates", 10_000)
    values.setdefault("keep_candidates", bool(values.get("trees")))
    layers, hidden = flow_sizes(values.get("flow", FitConfig.flow))
    values.setdefault("flow_layers", layers)
    values.setdefault("flow_hidden", hidden)
    if values.get("constraints"):
        values["constraints"] = constraint_statements(values["constraints"])
    # twenty decays over a run, as 400,000 iterations of the published schedule have
    values.setdefault("decay_every", max(1, values["iterations"] // 20))
    return config_from(values, "settings")
