"""Annealed trees as posterior draws."""

from collections.abc import Sequence

import numpy as np
import torch

from vbpi_mix.anneal.result import AnnealedPosterior
from vbpi_mix.model import PhyloModel
from vbpi_mix.posterior.draws import PosteriorDraws


def thinned(posterior: AnnealedPosterior, n_trees: int) -> AnnealedPosterior:
    """At most `n_trees` of the trees, evenly spaced, so that they are nearly independent."""
    total = len(posterior.particles)
    if total <= n_trees:
        return posterior
    rows = (np.arange(n_trees) * (total / n_trees)).astype(np.int64)
    return posterior.take(rows)


@torch.no_grad()
def annealed_draws(posterior: AnnealedPosterior, model: PhyloModel, taxa: Sequence[str]) -> PosteriorDraws:
    """Equally weighted draws with values of the parameters; no component has drawn them, so all are given the first."""
    particles = posterior.particles
    return PosteriorDraws(
        taxa=tuple(taxa),
        topologies=particles.topologies,
        branch_lengths=np.exp(particles.log_lengths),
        log_weights=np.zeros(len(particles)),
        components=np.zeros(len(particles), dtype=np.int64),
        parameters=model.parameters.values(torch.from_numpy(particles.coordinates)).numpy(),
        parameter_names=model.parameters.names,
    )
