"""Files that annealing keeps in the folder of its run until it ends: groups of particles, and the rounds after them."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vbpi_mix._version import __version__
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.sampler import Chains
from vbpi_mix.anneal.saved import restore_chains, save_chains
from vbpi_mix.anneal.smc import Annealed, AnnealSettings, Passage
from vbpi_mix.errors import ConfigError
from vbpi_mix.experiment.kept_search import TARGET
from vbpi_mix.experiment.run import Run
from vbpi_mix.io.kept_results import KeptResults
from vbpi_mix.phylo import TopologyBatch

_FORMAT = 2  # of the groups
_SHARE = 0.05  # of the time of the rounds that saving them may take


@dataclass(frozen=True, kw_only=True)
class KeptAnnealing:
    """State from which interrupted annealing goes on; files left by another annealing are not used.

    Arguments:
        groups: finished groups of particles.
        rounds: file of the state of the chains at the posterior that began at the groups' particles, ...
        other_rounds: ... and of those that began at candidate topologies.
        identity: hash of everything that the groups depend on.
    """

    groups: KeptResults
    rounds: Path
    other_rounds: Path
    identity: str

    @classmethod
    def of(
        cls,
        run: Run,
        drawn: Particles,
        settings: AnnealSettings,
        n_groups: int,
        device: torch.device | None = None,
    ) -> "KeptAnnealing":
        """State that the folder of a run keeps.

        Arguments:
            run: run in a folder.
            drawn: trees that the reference is made of.
            settings: settings of the groups.
            n_groups: number of groups.
            device: device that moves all particles at once, where there is one.

        Raises:
            CheckpointError: the file cannot be read.
        """
        assert run.folder is not None
        target = [getattr(run.config, name) for name in TARGET]
        given = (__version__, _FORMAT, target, run.config.seed, sorted(run.inputs.identity.items()), settings, n_groups)
        given = given if device is None else (*given, str(device))
        digest = hashlib.sha256(repr(given).encode())
        for array in (drawn.topologies.children, drawn.log_lengths, drawn.coordinates):
            digest.update(np.ascontiguousarray(array).tobytes())
        path, identity = run.folder.annealed_groups, digest.hexdigest()
        try:
            groups = KeptResults(path, identity)
        except ConfigError:  # of another annealing
            path.unlink()
            groups = KeptResults(path, identity)
        folder = run.folder
        return cls(
            groups=groups, rounds=folder.annealed_rounds, other_rounds=folder.candidate_rounds, identity=identity
        )

    def group(self, number: int, compute: Callable[[], Annealed]) -> Annealed:
        """The group of this number, computed if it is not there."""

        def arrays() -> tuple[np.ndarray, ...]:
            found = compute()
            p = found.particles
            numbers = np.array([found.log_ml, found.log_allowed, found.n_ancestors])
            trees = (p.topologies.children, p.log_lengths, p.coordinates, p.log_likelihood)
            way = (found.passage.gains, found.passage.log_weights)
            return (*trees, numbers, np.array(found.betas), found.tuned, *way)

        children, log_lengths, coordinates, log_likelihood, numbers, betas, tuned, gains, log_weights = self.groups.of(
            "group", (np.array([number]),), arrays
        )
        return Annealed(
            particles=Particles(
                topologies=TopologyBatch(children),
                log_lengths=log_lengths,
                coordinates=coordinates,
                log_likelihood=log_likelihood,
            ),
            log_ml=float(numbers[0]),
            log_allowed=float(numbers[1]),
            betas=tuple(betas.tolist()),
            n_ancestors=int(numbers[2]),
            tuned=tuned,
            passage=Passage(gains=gains, log_weights=log_weights),
        )

    def way_back(self, number: int, start: Particles, compute: Callable[[], Passage]) -> Passage:
        """The way back of particles that begin at these draws of the posterior, computed if it is not there."""

        def arrays() -> tuple[np.ndarray, ...]:
            found = compute()
            return found.gains, found.log_weights

        asked = (np.array([number]), start.topologies.children, start.log_lengths, start.coordinates)
        gains, log_weights = self.groups.of("way back", asked, arrays)
        return Passage(gains=gains, log_weights=log_weights)

    def go_on(self, chains: Chains, path: Path) -> Callable[..., None]:
        """Bring chains to where a file says that they were, and give a function that saves them between two rounds.

        It saves so seldom that a small share of the time goes into it, and at once if `now` is true.
        """
        digest = hashlib.sha256(f"{self.identity} {chains.settings}".encode())
        for array in (chains.particles.topologies.children, chains.particles.log_lengths, chains.particles.coordinates):
            digest.update(np.ascontiguousarray(array).tobytes())
        identity = digest.hexdigest()
        if path.is_file():
            try:
                restore_chains(chains, path, identity)
            except ConfigError:  # of other groups
                path.unlink()
        last = cost = 0.0

        def save(now: bool = False) -> None:
            nonlocal last, cost
            begun = time.perf_counter()
            if now or (begun - last) * _SHARE > cost:
                save_chains(chains, path, identity)
                last = time.perf_counter()
                cost = last - begun

        return save

    def clear(self) -> None:
        """Remove all files: annealing is finished."""
        for path in (self.groups.path, self.rounds, self.other_rounds):
            if path is not None:
                path.unlink(missing_ok=True)
