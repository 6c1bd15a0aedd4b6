"""Explicit random generators: nothing in the package draws from a global one."""

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
