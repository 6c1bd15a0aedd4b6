"""Compile or load every kernel of a fit, so that progress afterwards is progress of the fit."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.target import typical_lengths
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.anneal.walk_kernels import walk
from vbpi_mix.compiled import is_missing
from vbpi_mix.estimators import Objective
from vbpi_mix.evaluate.sampling import draw_weighted
from vbpi_mix.experiment.build import DEFAULT_MODELS
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.model import PhyloModel, parse_model
from vbpi_mix.phylo import DNA, DataType, SitePatterns, TopologyBatch, all_topologies, collect
from vbpi_mix.phylo.data_type import data_type
from vbpi_mix.sbn.mixture_kernels import log_q
from vbpi_mix.start import GrowthSettings, fit_parameters, grow_topologies, start_fitted
from vbpi_mix.support import build_support
from vbpi_mix.threads import get_threads
from vbpi_mix.train import TrainSettings, fit
from vbpi_mix.variational import PhyloMixture, PhyloProblem

_NOTICEABLE_SECONDS = 5.0


def warm_up(
    substitution_model: str, flow: str, reporter: Reporter, kind: DataType = DNA, *, chains: bool = False
) -> None:
    """Take every step of a fit once, on five taxa and two sites.

    Compiled kernels are cached on disk: the first start on a machine takes a minute or so, later ones a second.

    Arguments:
        substitution_model: model of the fit.
        flow: flow of its branch lengths.
        reporter: told that it may take long.
        kind: type of the data.
        chains: whether the fit runs chains. Another process compiles their kernels meanwhile if they have to be, and
            otherwise those of training.
    """
    reporter.message("loading compiled kernels (compiled on the first start, which takes about a minute)")
    begun = time.perf_counter()
    several = get_threads() > 1
    of_chains = several and chains and is_missing(walk)
    of_training = several and not of_chains and is_missing(log_q)
    if parse_model(substitution_model, infer=True).data_type != kind.name:  # of another part of mixed data
        substitution_model = DEFAULT_MODELS[kind.name]
    model, topologies = _small_model(substitution_model, kind), all_topologies(5)
    problem = _small_problem(model, topologies, flow)
    with _second_process(f"{warm_up_chains.__name__}()" if of_chains else None):
        arguments = f"{substitution_model!r}, {flow!r}, {kind.label!r}"
        with _second_process(f"{warm_up_training.__name__}({arguments})" if of_training else None):
            _start(problem, topologies)
        _train(problem)
    seconds = time.perf_counter() - begun
    if seconds > _NOTICEABLE_SECONDS:
        reporter.message(f"compiled in {seconds:.0f} s; later starts are quick")


def warm_up_chains() -> None:
    """Take every step of chains of local moves once."""
    model = _small_model("JC69", DNA)
    topologies = all_topologies(5)[:1]
    particles = Particles(
        topologies=topologies,
        log_lengths=np.full((1, topologies.n_edges), -3.0),
        coordinates=np.zeros((1, 0)),
        log_likelihood=np.zeros(1),
    )
    walker, typical = Walker(model, topologies), typical_lengths(particles.log_lengths)
    redraws = TreeReference(particles, np.ones(1), unseen=0.0).redraws
    walker.move(particles, [np.random.default_rng(0)], rounds=1.0, typical=typical, redraws=redraws)


def warm_up_training(substitution_model: str, flow: str, label: str) -> None:
    """Take every step of training once, for data of a type by its label."""
    model = _small_model(substitution_model, data_type(label))
    _train(_small_problem(model, all_topologies(5), flow))


@contextmanager
def _second_process(call: str | None) -> Iterator[None]:
    """Meanwhile, and to the end, another process calls a function of this module, if one is given, to compile kernels.

    Whether that process begins and succeeds does not matter: kernels that it leaves out are compiled when they are
    needed.
    """
    process = None if call is None else _begin_process(call)
    if process is None:
        yield
        return
    with process:
        try:
            yield
        except BaseException:
            process.kill()
            raise


def _begin_process(call: str) -> subprocess.Popen[bytes] | None:
    code = f"from {__name__} import {call.partition('(')[0]}; {call}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=quiet, stderr=quiet)
    except OSError:  # no interpreter of its own, or no room for a process
        return None


def _small_model(substitution_model: str, kind: DataType) -> PhyloModel:
    return PhyloModel(_few_sites(kind), 5, substitution_model=substitution_model)


def _small_problem(model: PhyloModel, topologies: TopologyBatch, flow: str) -> PhyloProblem:
    n_parameters = model.parameters.n_coordinates
    mixture = PhyloMixture(build_support(topologies), n_components=2, flow=flow, n_parameters=n_parameters)
    return PhyloProblem(model, mixture)


def _start(problem: PhyloProblem, topologies: TopologyBatch) -> None:
    """Search, weigh, and fit the first parameters of a mixture."""
    model, mixture, generator = problem.model, problem.mixture, torch.Generator().manual_seed(0)
    candidates = collect([str(i) for i in range(5)], topologies[:3])
    space, parameters = model.parameters, None
    growth = GrowthSettings(n_draws=10)
    weighted = grow_topologies(model.at(space.start()), candidates, generator=generator, settings=growth).weighted
    if space.n_coordinates:
        parameters = fit_parameters(model, weighted, mixture.support, space.start().numpy())
    n_sites = model.patterns.n_sites
    start_fitted(mixture, weighted, n_sites=n_sites, generator=generator, parameters=parameters)


def _train(problem: PhyloProblem) -> None:
    """Train, and draw."""
    generator = torch.Generator().manual_seed(0)
    objective = Objective(estimator="a2a", n_components=2, n_sampled=2, n_particles=2)
    rates = dict.fromkeys(problem.parameter_groups(), 0.001)
    fit(problem, objective, TrainSettings(n_iterations=1, learning_rates=rates), generator=generator)
    draw_weighted(problem, 2, generator)


def _few_sites(kind: DataType) -> SitePatterns:
    """Sites of five taxa that all vary, with every state; two of nucleotides."""
    n = kind.n_states
    if kind == DNA:
        state_sets = np.array([[1, 1], [1, 2], [2, 4], [2, 8], [15, 8]], dtype=np.uint8)
    else:
        states = (np.arange(n) + np.array([[0], [0], [1], [1], [1]])) % n
        state_sets = (np.uint64(1) << states.astype(np.uint64)).astype(kind.dtype)
        state_sets[4, 0] = kind.missing
    return SitePatterns(state_sets=state_sets, weights=np.ones(state_sets.shape[1]), data_type=kind)
