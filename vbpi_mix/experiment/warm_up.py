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
from vbpi_mix.phylo import DNA, DataType, SitePatterns, all_topologies, collect
from vbpi_mix.start import GrowthSettings, fit_parameters, grow_topologies, start_fitted
from vbpi_mix.support import build_support
from vbpi_mix.threads import get_threads
from vbpi_mix.train import TrainSettings, fit
from vbpi_mix.variational import PhyloMixture, PhyloProblem

_NOTICEABLE_SECONDS = 5.0


def warm_up(
    substitution_model: str, flow: str, reporter: Reporter, data_type: DataType = DNA, *, chains: bool = False
) -> None:
    """Take every step of a fit once, on five taxa and two sites.

    Compiled kernels are cached on disk: the first start on a machine takes a minute or so, later ones a second.

    Arguments:
        substitution_model: model of the fit.
        flow: flow of its branch lengths.
        reporter: told that it may take long.
        data_type: type of the data.
        chains: whether the fit runs chains. Another process compiles their kernels meanwhile if they have to be.
    """
    reporter.message("loading compiled kernels (compiled on the first start, which takes about a minute)")
    begun = time.perf_counter()
    with _beside(chains and get_threads() > 1 and is_missing(walk)):
        _take_steps(substitution_model, flow, data_type)
    seconds = time.perf_counter() - begun
    if seconds > _NOTICEABLE_SECONDS:
        reporter.message(f"compiled in {seconds:.0f} s; later starts are quick")


def warm_up_chains() -> None:
    """Take every step of chains of local moves once."""
    model = PhyloModel(_few_sites(DNA), 5, substitution_model="JC69")
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


@contextmanager
def _beside(compiling: bool) -> Iterator[None]:
    """Meanwhile, and to the end, another process compiles the kernels of chains if asked to.

    Whether that process succeeds does not matter: kernels that it leaves out are compiled when they are needed.
    """
    if not compiling:
        yield
        return
    code = f"from {__name__} import {warm_up_chains.__name__}; {warm_up_chains.__name__}()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=quiet, stderr=quiet) as process:
        try:
            yield
        except BaseException:
            process.kill()
            raise


def _take_steps(substitution_model: str, flow: str, data_type: DataType) -> None:
    patterns = _few_sites(data_type)
    if parse_model(substitution_model, infer=True).data_type != data_type.name:  # of another part of mixed data
        substitution_model = DEFAULT_MODELS[data_type.name]
    model = PhyloModel(patterns, 5, substitution_model=substitution_model)
    topologies = all_topologies(5)
    generator = torch.Generator().manual_seed(0)
    candidates = collect([str(i) for i in range(5)], topologies[:3])
    space, parameters = model.parameters, None
    growth = GrowthSettings(n_draws=10)
    weighted = grow_topologies(model.at(space.start()), candidates, generator=generator, settings=growth).weighted
    support = build_support(topologies)
    mixture = PhyloMixture(support, n_components=2, flow=flow, n_parameters=space.n_coordinates)
    problem = PhyloProblem(model, mixture)
    if space.n_coordinates:
        parameters = fit_parameters(model, weighted, support, space.start().numpy())
    start_fitted(mixture, weighted, n_sites=patterns.n_sites, generator=generator, parameters=parameters)
    objective = Objective(estimator="a2a", n_components=2, n_sampled=2, n_particles=2)
    rates = dict.fromkeys(problem.parameter_groups(), 0.001)
    fit(problem, objective, TrainSettings(n_iterations=1, learning_rates=rates), generator=generator)
    draw_weighted(problem, 2, generator)


def _few_sites(data_type: DataType) -> SitePatterns:
    """Sites of five taxa that all vary, with every state; two of nucleotides."""
    n = data_type.n_states
    if data_type == DNA:
        state_sets = np.array([[1, 1], [1, 2], [2, 4], [2, 8], [15, 8]], dtype=np.uint8)
    else:
        states = (np.arange(n) + np.array([[0], [0], [1], [1], [1]])) % n
        state_sets = (np.uint64(1) << states.astype(np.uint64)).astype(data_type.dtype)
        state_sets[4, 0] = data_type.missing
    return SitePatterns(state_sets=state_sets, weights=np.ones(state_sets.shape[1]), data_type=data_type)
