"""Training of any mixture problem: schedules, metrics, checkpoints, a loop that can be stopped and resumed."""

from vbpi_mix.train.adam import Adam
from vbpi_mix.train.checkpoint import add_to_checkpoint, load_checkpoint, save_checkpoint
from vbpi_mix.train.loop import Change, FitResult, Progress, TrainableProblem, fit
from vbpi_mix.train.metrics import read_metrics
from vbpi_mix.train.settings import TrainSettings
from vbpi_mix.train.stopping import PlateauRule

__all__ = [
    "Adam",
    "Change",
    "FitResult",
    "PlateauRule",
    "Progress",
    "TrainSettings",
    "TrainableProblem",
    "add_to_checkpoint",
    "fit",
    "load_checkpoint",
    "read_metrics",
    "save_checkpoint",
]
