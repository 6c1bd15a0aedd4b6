"""Which device each part of a fit runs on: weighing topologies, training, annealing."""

import importlib.util
from collections.abc import Sequence
from typing import Literal, get_args

import torch

from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.model import PhyloModel
from vbpi_mix.start.lengths import BATCH
from vbpi_mix.variational import PhyloProblem

Device = Literal["cpu", "cuda", "auto"]

# Trees times edges times site patterns times rate categories of a training step, or of one move of all particles, and a
# sixteenth of the entries of a transition matrix, below which "auto" stays on the CPU. A step on a GPU takes some
# milliseconds however small it is, which is the time to launch its kernels; a processor core does about 0.3 of these
# per nanosecond. An estimate with a margin: nothing of it has been measured on a GPU.
_SMALLEST_WORK = 2e7


def check_device(word: str, model: PhyloModel | None = None) -> None:
    """Raise ConfigError for an unknown word, BackendError if "cuda" cannot be used on this machine or for a model."""
    _check_word(word)
    if word == "cuda" and (missing := _missing()) is not None:
        raise BackendError(f"device 'cuda': {missing}; use --device cpu")
    if word == "cuda" and model is not None:
        model.placed("triton")


def choose_device(word: str, problem: PhyloProblem, config: FitConfig, reporter: Reporter) -> torch.device | None:
    """The device to train on, None for the compiled kernels of the CPU.

    Arguments:
        word: "cpu"; "cuda"; "auto": a GPU if there is one that can be used and a step is large enough for it.
        problem: The target and its mixture.
        config: How many trees a step has.
        reporter: Told about the choice of "cuda" and "auto".

    Raises:
        ConfigError, BackendError: see `check_device`; or the likelihood of the model is not computed on a GPU.
    """
    return _choose(word, "training", problem.model, _n_trees(config), reporter)


def fleet_device(word: str, runs: Sequence[tuple[PhyloProblem, FitConfig]], reporter: Reporter) -> torch.device:
    """The device to train several models together on; the CPU, where PyTorch then computes, if not a GPU.

    Arguments:
        word: as in `choose_device`; "auto": a GPU if there is one and a step of all models is large enough for it.
        runs: The problems, which have one target, with their configurations.
        reporter: Told about the choice of "cuda" and "auto".

    Raises:
        ConfigError, BackendError: as `choose_device`.
    """
    n_trees = sum(_n_trees(config) for _, config in runs)
    return _choose(word, "training", runs[0][0].model, n_trees, reporter) or torch.device("cpu")


def start_device(word: str, model: PhyloModel, reporter: Reporter) -> torch.device | None:
    """The device to optimise the branch lengths of many topologies on, None for the compiled kernels of the CPU.

    Arguments:
        word: as in `choose_device`; "auto": a GPU if there is one and a batch of topologies is large enough for it.
        model: The target, its parameters fixed.
        reporter: Told about the choice of "cuda" and "auto".

    Raises:
        ConfigError, BackendError: as `choose_device`.
    """
    return _choose(word, "weighing topologies", model, BATCH, reporter)


def annealing_device(word: str, model: PhyloModel, n_particles: int, reporter: Reporter) -> torch.device | None:
    """The device to move all particles of a group on at once, None for walks over one tree after another on the CPU.

    Arguments:
        word: as in `choose_device`; "auto": a GPU if there is one and a move of all particles is large enough for it.
        model: The target.
        n_particles: Particles of a group.
        reporter: Told about the choice of "cuda" and "auto".

    Raises:
        ConfigError, BackendError: as `choose_device`.
    """
    device = _choose(word, "annealing", model, n_particles, reporter)
    if device is not None:
        reporter.message("the rounds at the posterior that follow run on the CPU")
    return device


def image_device(word: str, reporter: Reporter) -> torch.device | None:
    """The device to train networks of images on, None for the CPU; these need PyTorch alone.

    Arguments:
        word: "cpu"; "cuda"; "auto": a GPU if there is one.
        reporter: Told about the choice of "cuda" and "auto".

    Raises:
        ConfigError, BackendError: an unknown word, or "cuda" where PyTorch finds no GPU.
    """
    _check_word(word)
    if word == "cpu":
        return None
    reason = _no_gpu()
    if reason is not None:
        if word == "cuda":
            raise BackendError(f"device 'cuda': {reason}; use --device cpu")
        reporter.message(f"training on the CPU: {reason}")
        return None
    device = torch.device("cuda")
    reporter.message(f"training on {torch.cuda.get_device_name(device)}")
    return device


def _n_trees(config: FitConfig) -> int:
    """Trees of a training step."""
    return (config.sampled or config.components) * config.particles


def _choose(word: str, what: str, model: PhyloModel, n_trees: int, reporter: Reporter) -> torch.device | None:
    check_device(word, model)
    if word == "cpu":
        return None
    reason = _missing()
    if reason is None:
        try:
            model.placed("triton")
        except BackendError as error:
            reason = str(error)
    work = _work(model, n_trees)
    if word == "auto" and reason is None and work < _SMALLEST_WORK:
        reason = f"a step is too small for a GPU ({work:.1e} edges times patterns, from {_SMALLEST_WORK:.0e} on)"
    if reason is not None:
        reporter.message(f"{what} on the CPU: {reason}")
        return None
    device = torch.device("cuda")
    reporter.message(f"{what} on {torch.cuda.get_device_name(device)}")
    return device


def _check_word(word: str) -> None:
    if word not in get_args(Device):
        raise ConfigError(f"unknown device '{word}': choose one of {', '.join(get_args(Device))}")


def _no_gpu() -> str | None:
    """Why PyTorch can use no GPU on this machine; None if it can."""
    return None if torch.cuda.is_available() else f"PyTorch {torch.__version__} finds no CUDA device here"


def _missing() -> str | None:
    """What is missing on this machine for training on a GPU."""
    if (no_gpu := _no_gpu()) is not None:
        return no_gpu
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed (pip install 'vbpi_mix[gpu]')"
    return None


def _work(model: PhyloModel, n_trees: int) -> float:
    """Trees times edges times site patterns times rate categories; more where there are more states."""
    n_edges = 2 * model.n_taxa - 3
    parts = [(part.patterns, part.n_categories) for part in model.parts]
    of_edge = sum(patterns.n_patterns * n_categories * patterns.n_states**2 / 16 for patterns, n_categories in parts)
    return n_trees * n_edges * of_edge
