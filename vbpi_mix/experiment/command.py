"""A run's settings as the command that makes the same run."""

import shlex
from dataclasses import fields

from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.recipes import make_config

_NOT_OPTIONS = frozenset(
    {"alignment", "trees", "recipe", "branch_prior_rate", "decay_every", "keep_candidates", "priors"}
)


def command_of(config: FitConfig, folder: str) -> str:
    """A `vbpi-mix fit` command with these settings: those that the recipe does not give by itself are written out."""
    usual = make_config(
        alignment=config.alignment,
        recipe=config.recipe,
        iterations=config.iterations,
        components=config.components,
        estimator=config.estimator,
        trees=config.trees or None,
    )
    words = ["vbpi-mix", "fit", config.alignment, "-o", folder]
    for path in config.trees:
        words += ["--trees", path]
    for prior in config.priors:
        words += ["--prior", prior]
    if config.recipe != FitConfig.recipe:
        words += ["--recipe", config.recipe]
    plain = make_config(alignment=config.alignment, recipe=config.recipe)
    for field in fields(config):
        value = getattr(config, field.name)
        against = plain if field.name in ("iterations", "components", "estimator") else usual
        if field.name not in _NOT_OPTIONS and value != getattr(against, field.name):
            words += [f"--{field.name.replace('_', '-')}", *([] if value is True else [str(value)])]
    if "--seed" not in words:
        words += ["--seed", str(config.seed)]
    return shlex.join(words)
