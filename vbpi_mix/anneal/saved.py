"""The state of chains in a file, so that chains that are interrupted go on as if they had not been."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.sampler import Chains
from vbpi_mix.damage import reading
from vbpi_mix.errors import CheckpointError, ConfigError
from vbpi_mix.io.arrays import load_arrays, save_arrays
from vbpi_mix.phylo import TopologyBatch

_FORMAT = 4
_FIELDS = ("topologies", "log_lengths", "coordinates", "log_likelihood")


def save_chains(chains: Chains, path: Path, identity: str) -> None:
    """Write everything that the next round depends on, and the trees kept so far; atomic.

    Arguments:
        chains: chains between two rounds.
        path: the file.
        identity: identity of the fit, compared when they are loaded.

    Raises:
        InputError: the file cannot be written.
    """
    numbers, arrays, kept = chains.state()
    if kept:
        arrays |= _packed("kept", join_particles([particles for _, particles, _ in kept]))
        arrays["kept_log_joint"] = np.concatenate([log_joint for _, _, log_joint in kept])
    about = {"format": _FORMAT, "identity": identity, "kept": [r for r, _, _ in kept], "numbers": numbers}
    arrays |= _packed("now", chains.particles)
    if chains.shown is not None:
        arrays |= _packed("shown", chains.shown)
    # written again and again, and removed in the end
    save_arrays(path, {"about": np.array(json.dumps(about).encode()), **arrays}, compress=False)


def restore_chains(chains: Chains, path: Path, identity: str) -> None:
    """Bring chains into the state that `save_chains` wrote.

    Arguments:
        chains: made with the same model, number of chains and settings.
        path: the file.
        identity: identity of the fit.

    Raises:
        CheckpointError: damaged.
        ConfigError: the chains are of another fit.
    """
    with reading(path, CheckpointError, "delete it to begin the chains anew"):
        arrays = load_arrays(path)
        about = json.loads(arrays.pop("about").item().decode())
        if about["format"] != _FORMAT or about["identity"] != identity:
            raise ConfigError(
                f"{path}: holds chains of another fit (another alignment, model or version): delete the file, or "
                "choose another output"
            )
        now, n = _unpacked("now", arrays), len(chains.particles)
        if now.log_lengths.shape != chains.particles.log_lengths.shape:
            raise ValueError("there are other chains in it")
        rounds: list[int] = about["kept"]
        kept = []
        if rounds:
            trees, log_joint = _unpacked("kept", arrays), arrays.pop("kept_log_joint")
            if len(trees) != n * len(rounds):
                raise ValueError("it does not hold a tree of every chain")
            rows = np.arange(len(trees)).reshape(-1, n)
            kept = [(r, trees.take(of), log_joint[of]) for r, of in zip(rounds, rows, strict=True)]
        chains.shown = _unpacked("shown", arrays) if "shown_log_lengths" in arrays else None
        chains.restore(about["numbers"], arrays, now, kept)


def _packed(name: str, particles: Particles) -> dict[str, Any]:
    values = {field: getattr(particles, field) for field in _FIELDS}
    values["topologies"] = particles.topologies.children
    return {f"{name}_{field}": value for field, value in values.items()}


def _unpacked(name: str, arrays: dict[str, np.ndarray]) -> Particles:
    values: dict[str, Any] = {field: arrays.pop(f"{name}_{field}") for field in _FIELDS}
    values["topologies"] = TopologyBatch(values["topologies"])
    return Particles(**values)
