"""Constraints on topologies, for many trees at once; `anneal.rules.keeps_rules` is their definition."""

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.anneal.batched.trees import Trees
from vbpi_mix.anneal.rules import Rules
from vbpi_mix.phylo import clades


class BatchedRules:
    """Rules as bit sets on a device.

    Arguments:
        rules: rules; there may be none.
        device: device of the sets.
    """

    def __init__(self, rules: Rules, device: torch.device) -> None:
        self._empty = not len(rules.group)
        sides = (clades.from_members(x).view(np.int64) for x in (rules.inside, rules.outside))
        inside, outside = (torch.from_numpy(x).to(device) for x in sides)  # (X, W)
        self._sides, self._all = torch.stack([inside, outside]), inside | outside
        self._group = torch.from_numpy(rules.group).to(device)
        self._negative = torch.from_numpy(rules.negative).to(device)

    def keep(self, trees: Trees) -> Tensor:
        """(P,) bool: which trees satisfy all rules."""
        if self._empty:
            return torch.ones(trees.n_trees, dtype=torch.bool, device=trees.up.device)
        missing = torch.zeros(trees.n_trees, len(self._negative), dtype=torch.long, device=trees.up.device)
        for i in range(len(self._group)):
            of_split = trees.sets[:, 1:] & self._all[i]
            shown = (of_split[:, :, None] == self._sides[:, i]).all(dim=3).any(dim=2).any(dim=1)
            missing[:, self._group[i]] += (~shown).long()
        return ((missing == 0) != self._negative).all(dim=1)
