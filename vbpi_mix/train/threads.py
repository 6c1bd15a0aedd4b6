"""The number of threads that torch's own operations use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch use `n_threads` within the block.

    A step on trees is made of small tensors, for which waking a second thread costs more than it saves, and costs
    milliseconds when another program runs on its core. The compiled kernels have their own threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
