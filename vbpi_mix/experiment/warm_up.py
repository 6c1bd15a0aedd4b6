"""Compile or load every kernel of a fit, so that progress afterwards is progress of the fit."""

import time

import numpy as np
import torch

from vbpi_mix.estimators import Objective, all_components
from vbpi_mix.evaluate.sampling import draw_weighted
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, all_topologies, collect
from vbpi_mix.start import start_fitted, weigh_topologies
from vbpi_mix.support import build_support
from vbpi_mix.variational import PhyloMixture, PhyloProblem

_NOTICEABLE_SECONDS = 5.0


def warm_up(substitution_model: str, flow: str, reporter: Reporter) -> None:
    """Take every step of a fit once, on five taxa and two sites.

    Compiled kernels are cached on disk: the first start on a machine takes a minute or so, later ones a second.
    """
    reporter.message("loading compiled kernels (compiled on the first start, which takes about a minute)")
    begun = time.perf_counter()
    state_sets = np.array([[1, 1], [1, 2], [2, 4], [2, 8], [15, 8]], dtype=np.uint8)
    patterns = SitePatterns(state_sets=state_sets, weights=np.ones(2))
    model = PhyloModel(patterns, 5, substitution_model=substitution_model)
    topologies = all_topologies(5)
    weighted = weigh_topologies(model, collect([str(i) for i in range(5)], topologies))
    problem = PhyloProblem(model, PhyloMixture(build_support(topologies), n_components=2, flow=flow))
    generator = torch.Generator().manual_seed(0)
    start_fitted(problem.mixture, weighted, n_sites=2.0, generator=generator)
    objective = Objective(estimator="a2a", n_components=2, n_sampled=2, n_particles=2)
    objective.surrogate(problem.draw(all_components(2), 2, generator), all_components(2)).loss.backward()
    draw_weighted(problem, 2, generator)
    seconds = time.perf_counter() - begun
    if seconds > _NOTICEABLE_SECONDS:
        reporter.message(f"compiled in {seconds:.0f} s; later starts are quick")
