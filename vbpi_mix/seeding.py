"""Explicit random generators: nothing in the package draws from a global one."""

from dataclasses import dataclass

import numpy as np
import torch


def torch_generator(seed: int, *, stream: int = 0) -> torch.Generator:
    """A CPU generator for one purpose; equal (seed, stream) give equal draws.

    Arguments:
        seed: the user's seed.
        stream: a small integer per purpose (training, evaluation, sampling, ...), so that the draws of
            one purpose do not depend on how many another one took.
    """
    entropy = np.random.SeedSequence(entropy=seed, spawn_key=(stream,)).generate_state(1, dtype=np.uint64)[0]
    return torch.Generator().manual_seed(int(entropy & np.uint64(2**63 - 1)))


def numpy_generator(seed: int, *, stream: int = 0) -> np.random.Generator:
    """The NumPy counterpart of `torch_generator`."""
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(stream,)))


@dataclass(frozen=True, kw_only=True)
class JoinedGenerators:
    """Generators that fill the rows of a tensor in turn, so that each gives what it gives alone.

    Arguments:
        generators: the generators.
        n_rows: rows of each.
    """

    generators: tuple[torch.Generator, ...]
    n_rows: tuple[int, ...]


def standard_normal(n_rows: int, width: int, source: torch.Generator | JoinedGenerators) -> torch.Tensor:
    """(n_rows, width) float64 standard normal numbers, on the CPU."""
    if isinstance(source, torch.Generator):
        return torch.randn(n_rows, width, generator=source, dtype=torch.float64)
    parts = [standard_normal(n, width, g) for n, g in zip(source.n_rows, source.generators, strict=True)]
    return torch.cat(parts)
