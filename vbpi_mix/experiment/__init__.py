"""Runs: configuration, wiring, the folder of a run, the whole path from alignment to posterior."""

from vbpi_mix.experiment.config import FitConfig, load_config
from vbpi_mix.experiment.export import Export, export_run, stream_trees
from vbpi_mix.experiment.fit import Summary, fit_alignment, fit_folder, resumed_config, summarise
from vbpi_mix.experiment.recipes import RECIPES, make_config
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.run import Run, RunFolder

__all__ = [
    "RECIPES",
    "Export",
    "FitConfig",
    "Reporter",
    "Run",
    "RunFolder",
    "Silent",
    "Summary",
    "export_run",
    "fit_alignment",
    "fit_folder",
    "load_config",
    "make_config",
    "resumed_config",
    "stream_trees",
    "summarise",
]
