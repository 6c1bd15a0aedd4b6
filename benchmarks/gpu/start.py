"""Topologies weighed on a device beside the compiled kernels of the CPU, for `benchmarks.gpu.run`.

To weigh a topology is to optimise its branch lengths and to integrate them out by Laplace's method, with all second
derivatives. The topologies are local moves away from the tree that the data were simulated along. Here all of them are
optimised to the end and get second derivatives; a fit gives up those that are far below the best.

Correctness comes first, on a few of the topologies: densities, modes, second derivatives and weights must be those of
the CPU. The weights of those that both sides then weigh in the time that is measured are compared as well.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.annealing import simulated
from benchmarks.likelihood.gpu import GENERAL
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.length_density import hessian_by_differences, log_density, negative_hessian
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.start.climb import neighbours
from vbpi_mix.start.laplace import curvature
from vbpi_mix.start.length_memory import length_memory
from vbpi_mix.start.lengths import OptimisedLengths, optimise_lengths

MODELS = {"JC69": "JC69", "GTR+G4": GENERAL}
CLOSELY = 1e-6  # nats that an optimiser may still promise where its modes are compared
TOLERANCES = {
    "log density": 1e-9,  # relative
    "gradient": 1e-9,  # relative to the largest entry
    "modes": 1e-5,  # nats
    "lengths": 0.02,  # posterior standard deviations of the log length
    "second derivatives": 1e-6,  # relative to the largest entry
    "log weights": 1e-4,  # nats
}
SLACK = 0.02  # nats between log weights of lengths that were optimised as a fit does


@dataclass(frozen=True, kw_only=True)
class StartSize:
    """Size of the comparison.

    Arguments:
        n_taxa, n_sites: size of the data.
        radius: how far a clade is regrafted; 1: interchanges alone.
        n_topologies: topologies weighed on the device.
        n_on_cpu: topologies weighed on the CPU, whose time grows with their number alone.
        n_checked: topologies of the first comparison.
        models: models, see `MODELS`.
    """

    n_taxa: int
    n_sites: int
    radius: int
    n_topologies: int
    n_on_cpu: int
    n_checked: int
    models: tuple[str, ...] = tuple(MODELS)


WHOLE = StartSize(n_taxa=50, n_sites=1000, radius=4, n_topologies=1000, n_on_cpu=100, n_checked=16)
TINY = StartSize(n_taxa=6, n_sites=30, radius=1, n_topologies=2, n_on_cpu=1, n_checked=1, models=("JC69",))


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """Topologies with their weights, and what these took.

    Arguments:
        log_weight: (T,) Laplace's log p(data | topology).
        seconds_of_lengths, seconds_of_curvature: wall times.
        n_evaluations: densities with gradient that the lengths took.
    """

    log_weight: np.ndarray
    seconds_of_lengths: float
    seconds_of_curvature: float
    n_evaluations: int


def weighing(size: StartSize, model: str) -> tuple[PhyloModel, TopologyBatch, np.ndarray]:
    """A model of fixed parameters, T topologies round the tree of the data, and (T, E) log lengths to begin at.

    These are the optimised ones of the tree's own splits, as in the search of a fit.
    """
    patterns, topology = simulated(size.n_taxa, size.n_sites)
    target = PhyloModel(patterns, size.n_taxa, substitution_model=MODELS[model])
    around = neighbours(topology.batch(), size.radius)
    some = around[np.random.default_rng(1).permutation(around.n_trees)[: size.n_topologies]]
    modes = optimise_lengths(target, topology.batch())
    return target, some, length_memory(topology.batch(), modes.log_lengths, modes.log_density).lengths(some)


def check_start(size: StartSize, model: str, device: torch.device) -> dict[str, float]:
    """Differences between device and CPU, see `TOLERANCES`; SystemExit beyond them."""
    target, topologies, begin = weighing(size, model)
    placed = target.placed("triton", device)
    some, first = topologies[: size.n_checked], begin[: size.n_checked]
    ours, theirs = (optimise_lengths(m, some, start=first, tolerance=CLOSELY) for m in (placed, target))
    x = theirs.log_lengths
    correction, log_precision = curvature(target, some, x)
    densities, gradients = zip(*(log_density(m, some, first) for m in (placed, target)), strict=True)
    errors = {
        "log density": _relative(*densities),
        "gradient": _relative(*gradients),
        "modes": _largest(ours.log_density - theirs.log_density),
        "lengths": _largest((ours.log_lengths - x) * np.exp(0.5 * log_precision)),
        "second derivatives": _relative(hessian_by_differences(placed, some, x), negative_hessian(target, some, x)),
        "log weights": _largest(_log_weight(placed, some, ours) - (theirs.log_density + correction)),
    }
    wrong = {name: error for name, error in errors.items() if not error <= TOLERANCES[name]}
    if wrong:
        raise SystemExit(f"wrong: topologies weighed on {device} differ from the CPU's under {model}: {wrong}")
    return errors


def start_rows(size: StartSize, model: str, device: torch.device) -> list[dict[str, Any]]:
    """Topologies weighed per second on the device and on the CPU; `check_start` must have compiled the kernels.

    SystemExit if log weights of the same topologies differ by more than `SLACK`.
    """
    target, topologies, begin = weighing(size, model)
    sides = {"device": (target.placed("triton", device), topologies.n_trees), "cpu": (target, size.n_on_cpu)}
    found = {on: weigh(some, topologies[:n], begin[:n]) for on, (some, n) in sides.items()}
    theirs = found["cpu"].log_weight
    difference = _largest(found["device"].log_weight[: len(theirs)] - theirs)
    if not difference <= SLACK:
        raise SystemExit(f"wrong: log weights on {device} differ from the CPU's by {difference:.1e} under {model}")
    rows: list[dict[str, Any]] = []
    for on, one in found.items():
        n = len(one.log_weight)
        rows.append(
            {"taxa": size.n_taxa, "model": model, "on": on, "topologies": n, "s_lengths": one.seconds_of_lengths,
             "s_curvature": one.seconds_of_curvature, "evaluations_per_topology": one.n_evaluations / n,
             "topologies_per_second": n / (one.seconds_of_lengths + one.seconds_of_curvature),
             "largest_difference": difference}
        )  # fmt: skip
    for row in rows:
        row["times_cpu"] = row["topologies_per_second"] / rows[1]["topologies_per_second"]
    return rows


def weigh(model: PhyloModel, topologies: TopologyBatch, begin: np.ndarray) -> Weighed:
    """Log weights of topologies, all with second derivatives."""
    begun = time.perf_counter()
    modes = optimise_lengths(model, topologies, start=begin)
    optimised = time.perf_counter()
    log_weight = _log_weight(model, topologies, modes)
    return Weighed(
        log_weight=log_weight,
        seconds_of_lengths=optimised - begun,
        seconds_of_curvature=time.perf_counter() - optimised,
        n_evaluations=modes.n_evaluations,
    )


def _log_weight(model: PhyloModel, topologies: TopologyBatch, modes: OptimisedLengths) -> np.ndarray:
    return modes.log_density + curvature(model, topologies, modes.log_lengths)[0]


def _largest(difference: np.ndarray) -> float:
    return float(np.abs(difference).max())


def _relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return _largest(ours - theirs) / _largest(theirs)
