"""Training of any mixture problem: schedules, metrics, checkpoints, a loop that can be stopped and resumed."""

from vbpi_mix.train.adam import Adam
from vbpi_mix.train.checkpoint import add_to_checkpoint, load_checkpoint, save_checkpoint
from vbpi_mix.train.fleet import Fleet, fit_fleet
from vbpi_mix.train.joined import JoinedTable
from vbpi_mix.train.loop import fit, fit_training
from vbpi_mix.train.metrics import read_metrics
from vbpi_mix.train.settings import TrainSettings
from vbpi_mix.train.stopping import PlateauRule
from vbpi_mix.train.training import Change, FitResult, Progress, TrainableProblem, Training

__all__ = [
    "Adam",
    "Change",
    "FitResult",
    "Fleet",
    "JoinedTable",
    "PlateauRule",
    "Progress",
    "TrainSettings",
    "TrainableProblem",
    "Training",
    "add_to_checkpoint",
    "fit",
    "fit_fleet",
    "fit_training",
    "load_checkpoint",
    "read_metrics",
    "save_checkpoint",
]
