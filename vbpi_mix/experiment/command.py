"""A run's settings as the command that makes the same run."""

import shlex
from dataclasses import fields

from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.recipes import make_config

# follow from the recipe and the iterations, or are part of another option
WITHOUT_OPTION = frozenset({"branch_prior_rate", "decay_every"})
_WRITTEN_BEFORE = frozenset({"alignment", "trees", "recipe", "priors", "constraints"})
_CAN_BE_DENIED = frozenset({"keep_candidates"})


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
    for statement in config.constraints:
        words += ["--constraint", statement]
    if config.recipe != FitConfig.recipe:
        words += ["--recipe", config.recipe]
    plain = make_config(alignment=config.alignment, recipe=config.recipe)
    for field in fields(config):
        value = getattr(config, field.name)
        against = plain if field.name in ("iterations", "components", "estimator") else usual
        if field.name in WITHOUT_OPTION | _WRITTEN_BEFORE or value == getattr(against, field.name):
            continue
        option = field.name.replace("_", "-")
        if value is False and field.name in _CAN_BE_DENIED:
            words.append(f"--no-{option}")
        else:
            words += [f"--{option}", *([] if value is True else [str(value)])]
    if "--seed" not in words:
        words += ["--seed", str(config.seed)]
    return shlex.join(words)
