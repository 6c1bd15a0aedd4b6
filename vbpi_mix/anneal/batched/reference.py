"""The density that annealing begins at, for many trees at once; the compiled one of single trees is its definition."""

import math

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.anneal.batched.trees import Trees
from vbpi_mix.anneal.reference_kernels import ODD
from vbpi_mix.anneal.tree_reference import TreeReference

_ODD = int(np.array([ODD]).view(np.int64)[0])


class BatchedReference:
    """`TreeReference` as sorted tables on a device.

    Arguments:
        reference: density.
        device: device of the tables.
    """

    def __init__(self, reference: TreeReference, device: torch.device) -> None:
        found = reference.reference
        self._clades, rows = _sorted(found.clades, np.column_stack([found.lengths, found.floor]), device)
        self._lengths, self._floor = rows[:, :2].contiguous(), rows[:, 2].contiguous()
        self._subsplits, self._shares = _sorted(found.subsplits, found.shares, device)
        self._log_counts = torch.from_numpy(found.log_counts).to(device)
        self._unseen = torch.from_numpy(found.unseen).to(device)
        self._mean, self._root = (torch.from_numpy(a).to(device) for a in reference.parameter_spread)

    def log_subsplit(self, first: Tensor, second: Tensor, size_first: Tensor, size_second: Tensor) -> Tensor:
        """log probabilities that unions of clades, given by hashes and sizes, split into them."""
        counts = self._log_counts
        log_uniform = counts[size_first] + counts[size_second] - counts[size_first + size_second]
        whole, seen = _find(self._clades, first ^ second)
        floor = self._floor[whole]
        place, there = _find(self._subsplits, (first * second) ^ ((first ^ second) * _ODD))
        share = torch.where(there, self._shares[place], 0.0)
        mixed = ((1.0 - floor) * share + floor * log_uniform.exp()).log()
        return torch.where(seen, mixed, log_uniform)

    def length_rows(self, hashes: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes and rates of the gamma densities of the lengths of clades' edges."""
        place, seen = _find(self._clades, hashes)
        rows = torch.where(seen[..., None], self._lengths[place], self._unseen)
        return rows[..., 0], rows[..., 1]

    def log_topology(self, trees: Trees) -> Tensor:
        """(P,) log probabilities."""
        kids = trees.kids[:, trees.n_taxa :]
        (first, second), (n_first, n_second) = (
            [of.gather(1, kids[..., i]) for i in (0, 1)] for of in (trees.hashes, trees.sizes)
        )
        return self.log_subsplit(first, second, n_first, n_second).sum(dim=1)

    def parameter_log_prob(self, coordinates: Tensor) -> Tensor:
        """(P,) log density of coordinates (P, d)."""
        if not coordinates.shape[1]:
            return coordinates.new_zeros(len(coordinates))
        z = torch.linalg.solve_triangular(self._root, (coordinates - self._mean).T, upper=False)
        scale = self._root.diagonal().log().sum() + 0.5 * len(z) * math.log(2 * math.pi)
        return -0.5 * (z**2).sum(dim=0) - scale


def log_gamma_density(x: Tensor, shapes: Tensor, rates: Tensor) -> Tensor:
    """Log density of x = log t, t of a gamma distribution."""
    return shapes * (x + rates.log()) - rates * x.exp() - torch.lgamma(shapes)


def _sorted(keys: np.ndarray, values: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """The entries of a hash table by their keys, as signed integers."""
    used = keys != 0
    signed = keys[used].view(np.int64)
    order = np.argsort(signed)
    return torch.from_numpy(signed[order]).to(device), torch.from_numpy(values[used][order]).to(device)


def _find(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Places in sorted keys, and whether what is wanted is there."""
    place = torch.searchsorted(keys, wanted.contiguous()).clamp(max=len(keys) - 1)
    return place, keys[place] == wanted
