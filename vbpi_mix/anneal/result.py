"""Result of annealing: equally weighted trees, the marginal likelihood, and the agreement of both sides."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vbpi_mix.anneal.convergence import Convergence, Scalar
from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.smc import pooled_log_ml
from vbpi_mix.damage import reading
from vbpi_mix.errors import CheckpointError
from vbpi_mix.io.arrays import load_arrays, save_arrays
from vbpi_mix.phylo import TopologyBatch

_FORMAT = 1
FROM_CANDIDATES, FROM_MIXTURE, FROM_EXCURSIONS = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class AnnealedPosterior:
    """Equally weighted posterior trees, from one side or both.

    Arguments:
        particles: T trees.
        chains: (T,) number of the chain of each.
        sides: (T,) `FROM_CANDIDATES` or `FROM_MIXTURE`: where its chain began; `FROM_EXCURSIONS` for trees of modes
            whose shares are not known (`excursions`), which no finished posterior has.
        log_joint: (T,) log density of data, tree, log lengths and coordinates.
        group_log_ml: estimates of the log marginal likelihood by independent groups of particles; none where only
            chains have been run.
        bridged: whether these come from particles of both directions (`bridge`), and not from those to the posterior.
        betas: temperatures that the groups passed.
        n_particles: number of particles of a group.
        n_ancestors: number of first particles of each group that have descendants at the end.
        convergence: agreement of the two sides, or of groups of one.
        converged: whether they agree as far as was asked for.
    """

    particles: Particles
    chains: np.ndarray
    sides: np.ndarray
    log_joint: np.ndarray
    group_log_ml: tuple[float, ...]
    betas: tuple[float, ...]
    n_particles: int
    n_ancestors: tuple[int, ...]
    convergence: Convergence
    converged: bool
    bridged: bool = False

    @property
    def log_ml(self) -> tuple[float, float]:
        """The log marginal likelihood and its standard error, from the spread of the groups; NaN without groups."""
        if not self.group_log_ml:
            return math.nan, math.nan
        if self.bridged:  # the errors of the logarithms are symmetric
            spread = float(np.std(self.group_log_ml, ddof=1))
            return float(np.mean(self.group_log_ml)), spread / math.sqrt(len(self.group_log_ml))
        return pooled_log_ml(list(self.group_log_ml))

    @property
    def both_sides(self) -> bool:
        """Whether there are trees from both sides."""
        return len(np.unique(self.sides)) == 2

    def take(self, rows: np.ndarray) -> "AnnealedPosterior":
        """The trees at (n,) positions; everything else as it is."""
        return replace(
            self,
            particles=self.particles.take(rows),
            chains=self.chains[rows],
            sides=self.sides[rows],
            log_joint=self.log_joint[rows],
        )

    def followed_by(self, other: "AnnealedPosterior", chains: np.ndarray) -> "AnnealedPosterior":
        """These trees, and then those of `other` as chains of these (T,) numbers; everything else as it is here."""
        return replace(
            self,
            particles=join_particles([self.particles, other.particles]),
            chains=np.concatenate([self.chains, chains]),
            sides=np.concatenate([self.sides, other.sides]),
            log_joint=np.concatenate([self.log_joint, other.log_joint]),
        )

    def save(self, path: Path) -> None:
        """Write one file; atomic."""
        about = {
            "format": _FORMAT,
            "group_log_ml": self.group_log_ml,
            "bridged": self.bridged,
            "betas": self.betas,
            "n_particles": self.n_particles,
            "n_ancestors": self.n_ancestors,
            "convergence": self.convergence.to_dict(),
            "converged": self.converged,
        }
        save_arrays(
            path,
            {
                "about": np.array(json.dumps(about).encode()),
                "children": self.particles.topologies.children,
                "log_lengths": self.particles.log_lengths,
                "coordinates": self.particles.coordinates,
                "log_likelihood": self.particles.log_likelihood,
                "chains": self.chains,
                "sides": self.sides,
                "log_joint": self.log_joint,
            },
        )


def load_annealed(path: Path) -> AnnealedPosterior:
    """Read what `AnnealedPosterior.save` wrote.

    Raises:
        CheckpointError: damaged.
    """
    with reading(path, CheckpointError, "delete it and run `vbpi-mix anneal` again"):
        arrays = load_arrays(path)
        about = json.loads(arrays["about"].item().decode())
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']}, not {_FORMAT}")
        particles = Particles(
            topologies=TopologyBatch(arrays["children"]),
            log_lengths=arrays["log_lengths"],
            coordinates=arrays["coordinates"],
            log_likelihood=arrays["log_likelihood"],
        )
        return AnnealedPosterior(
            particles=particles,
            chains=arrays["chains"],
            sides=arrays["sides"],
            log_joint=arrays["log_joint"],
            group_log_ml=tuple(about["group_log_ml"]),
            bridged=bool(about.get("bridged", False)),
            betas=tuple(about["betas"]),
            n_particles=int(about["n_particles"]),
            n_ancestors=tuple(about["n_ancestors"]),
            convergence=_convergence(about["convergence"]),
            converged=bool(about["converged"]),
        )


def _convergence(values: dict[str, Any]) -> Convergence:
    return Convergence(
        asdsf=values["asdsf"],
        largest=values["largest_difference"],
        n_splits=values["n_splits"],
        scalars=tuple(Scalar(name=name, **numbers) for name, numbers in values["scalars"].items()),
        error=values.get("largest_error", math.nan),
    )
