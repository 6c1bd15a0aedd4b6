"""Runs that are trained together: one step of all of them at once, each in its own folder."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from vbpi_mix.errors import ConfigError
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.deadlines import Deadlines
from vbpi_mix.experiment.device import check_device, fleet_device
from vbpi_mix.experiment.finish import finish_run
from vbpi_mix.experiment.fit import conclude
from vbpi_mix.experiment.folder import RunFolder
from vbpi_mix.experiment.prepare import Prepared, begin_alike, prepare
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.run import Run
from vbpi_mix.start import Start
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import FitResult, fit_fleet
from vbpi_mix.train.fleet import Join
from vbpi_mix.variational import PhyloFleet


@dataclass(frozen=True, kw_only=True)
class FleetMember:
    """One run of a fleet; see `fit_folder` for what the arguments are.

    Arguments:
        name: Name of the run for messages.
    """

    name: str
    config: FitConfig
    path: Path
    start: Start | None = None
    resume: bool = False
    reporter: Reporter = field(default_factory=Silent)


@torch_threads(1)
def fit_folders(
    members: Sequence[FleetMember],
    *,
    device: str = "cpu",
    max_seconds: float | None = None,
    reporter: Reporter | None = None,
) -> list[tuple[Run, FitResult]]:
    """Train mixtures for one alignment together, each as `fit_folder` trains it, up to rounding.

    Each run has its own folder, checkpoint, metrics, generators and end; what is in a folder afterwards can be gone on
    with by either function. First parameters are computed once for runs that are given one `Start` and differ in their
    bounds alone. A signal ends the training of all, and a run that is done leaves the fleet.

    Arguments:
        members: The runs. Their alignment, model and priors, numbers of particles and kinds of features and flows are
            equal; candidates, components, estimators and seeds need not be.
        device: What weighs topologies, where members have no `Start` yet, trains and anneals, a word of
            `experiment.device.Device`; all else is done on the CPU. Without a GPU the steps are those of one, computed
            by PyTorch.
        max_seconds: Training time allowed to this call.
        reporter: Told about what concerns all of them.

    Returns:
        Runs and results in the order of the members.

    Raises:
        ConfigError: The runs cannot be trained together, or as in `fit_folder`.
        NumericalError: The loss of a run is not finite; the states of all of them have been saved.
    """
    check_device(device)
    reporter = reporter or Silent()
    if len({member.config.alignment for member in members}) > 1:
        raise ConfigError("runs trained together have one alignment: train those of other data by themselves")
    with ExitStack() as locks:
        prepared: list[Prepared] = []
        for member in members:
            alike = (one for one, m in zip(prepared, members, strict=False) if _begin_alike(one, m, member))
            prepared.append(
                prepare(
                    member.config,
                    RunFolder(member.path),
                    locks,
                    start=member.start,
                    resume=member.resume,
                    deadlines=Deadlines.from_now(None),
                    alike=next(alike, None),
                    device=device,
                    reporter=member.reporter,
                )
            )
        place = fleet_device(device, [(one.problem, one.config) for one in prepared], reporter)
        if place.type == "cpu":
            reporter.message(
                f"{len(members)} models are trained together by PyTorch on the CPU, which is slower than one after "
                "another"
            )
        join = partial(PhyloFleet, backend="triton" if place.type == "cuda" else "numba")
        results = fit_fleet(
            [one.training(m.reporter, name=m.name) for one, m in zip(prepared, members, strict=True)],
            cast(Join, join),
            device=place,
            max_seconds=max_seconds,
        )
        found = []
        for one, member, result in zip(prepared, members, results, strict=True):
            run = conclude(one, result, member.reporter)
            if result.ending not in ("signal", "time"):
                run = finish_run(run, member.reporter, device=device)
            found.append((run, result))
        return found


def _begin_alike(one: Prepared, its: FleetMember, member: FleetMember) -> bool:
    """Whether a run that is prepared has the first parameters that another member's mixture needs."""
    if one.resume or its.start is None or its.start is not member.start:
        return False
    return begin_alike(its.config, member.config)
