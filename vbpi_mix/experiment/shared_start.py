"""The start of a fit: candidate topologies and what growth made of them, computed once for many mixtures.

It depends on data, candidates, model, prior and seed, and on nothing of the mixture that is trained from it.
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vbpi_mix import provenance
from vbpi_mix.errors import ConfigError
from vbpi_mix.experiment.build import grow_candidates, growth_account, load_alignment
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.sources import load_candidates, make_sources
from vbpi_mix.felsenstein import get_threads
from vbpi_mix.phylo import Alignment, TreeSample
from vbpi_mix.start import GrowthSettings, Start, load_start


def start_settings(config: FitConfig, alignment: Alignment) -> dict[str, Any]:
    """Everything that the start depends on, without paths.

    Raises:
        ConfigError: candidates drawn from the folder of a run, which can change.
    """
    data = hashlib.sha256("\0".join(alignment.taxa).encode())
    data.update(alignment.state_sets.tobytes())
    settings: dict[str, Any] = {"alignment_sha256": data.hexdigest(), "seed": config.seed}
    if config.trees:
        settings["trees_sha256"] = [_file_hash(Path(path)) for path in config.trees]
        settings["burn_in"] = config.burn_in
    else:
        settings |= {"bootstrap": config.bootstrap, "bootstrap_replicates": config.bootstrap_replicates}
    settings["grown"] = config.recipe != "paper"
    if settings["grown"]:
        names = ("model", "branch_prior_rate", "keep_candidates")
        settings |= {name: getattr(config, name) for name in names}
        settings["growth"] = asdict(GrowthSettings())
        if config.partitions:
            settings["partitions_sha256"] = _file_hash(Path(config.partitions))
        for name in ("branch_prior", "priors"):
            if getattr(config, name) != getattr(FitConfig, name):
                settings[name] = str(getattr(config, name))
    return settings


def make_start(
    config: FitConfig,
    alignment: Alignment,
    reporter: Reporter,
    *,
    candidates: Callable[[], TreeSample] | None = None,
) -> Start:
    """Candidates by the configuration, grown and weighted unless the recipe takes them as they are.

    Arguments:
        config: alignment, trees or bootstrap, model, prior, seed, recipe; the rest is not used.
        alignment: the data.
        reporter: told about progress.
        candidates: gives the candidates in place of `experiment.sources.load_candidates`.
    """
    load, begun = os.getloadavg()[0], time.perf_counter()
    found = load_candidates(config, alignment, reporter) if candidates is None else candidates()
    had = time.perf_counter()
    growth = None if config.recipe == "paper" else grow_candidates(config, alignment, found, reporter)
    end = time.perf_counter()
    return Start(
        topologies=found if growth is None else growth.weighted,
        seconds={"candidates": had - begun, "growth": 0.0 if growth is None else end - had},
        account={} if growth is None else growth_account(growth),
        made={**provenance.describe(), "threads": get_threads(), "load_average": [load, os.getloadavg()[0]]},
    )


def shared_start(config: FitConfig, path: Path, *, reporter: Reporter | None = None) -> Start:
    """The start in a file, made and written there if it is not there yet.

    Arguments:
        config: see `make_start`.
        path: the file; its folder must exist.
        reporter: told about progress.

    Raises:
        InputError: the file is damaged, or was made with other settings.
    """
    reporter = reporter or Silent()
    alignment = load_alignment(config.alignment, reporter)
    settings = start_settings(config, alignment)
    start = load_start(path, settings)
    if start is not None:
        reporter.message(f"{start.sample.n_trees:,} topologies to start from, read from {path.name}")
        return start
    for source in make_sources(config):
        source.check()
    start = replace(make_start(config, alignment, reporter), settings=settings)
    start.save(path)
    return start


def check_start(start: Start, config: FitConfig, alignment: Alignment) -> None:
    """Raise ConfigError unless a start was made for this configuration and this alignment."""
    other = start.other_setting(start_settings(config, alignment))
    if other is not None:
        key, then, now = other
        raise ConfigError(f"the start was made with {key} = {then}, not {now}")


def _file_hash(path: Path) -> str:
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: a shared start needs files of candidate trees")
    return hashlib.sha256(path.read_bytes()).hexdigest()
