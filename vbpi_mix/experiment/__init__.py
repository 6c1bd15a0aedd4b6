"""Making a run: settings, inputs, candidates, training, the folder that keeps it."""

from vbpi_mix.experiment.config import FitConfig, load_config
from vbpi_mix.experiment.deadlines import Deadlines
from vbpi_mix.experiment.device import Device, check_device
from vbpi_mix.experiment.fit import fit_alignment, fit_folder, resumed_config
from vbpi_mix.experiment.fleet import FleetMember, fit_folders
from vbpi_mix.experiment.folder import RunFolder
from vbpi_mix.experiment.recipes import RECIPES, make_config
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.run import Run

__all__ = [
    "RECIPES",
    "Deadlines",
    "Device",
    "FitConfig",
    "FleetMember",
    "Reporter",
    "Run",
    "RunFolder",
    "Silent",
    "check_device",
    "fit_alignment",
    "fit_folder",
    "fit_folders",
    "load_config",
    "make_config",
    "resumed_config",
]
