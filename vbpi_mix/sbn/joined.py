"""The subsplit Bayesian networks of several mixtures as one, for trees on a device: their tables one after another."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.estimators import Pairs
from vbpi_mix.row_table import RowTable
from vbpi_mix.sbn import reference
from vbpi_mix.sbn.networks import SubsplitBayesianNetworks
from vbpi_mix.sbn.placed import PlacedTopologies


class JoinedNetworks(nn.Module):
    """Networks of several supports whose logits are one column: those of a component after those of another.

    Arguments:
        networks: those of each model, for their supports and numbers of components.
        logits: (R,) logits of all of them, on a device.
        row_of_component: for each model, (A,) which of its networks each component of its mixture has.
    """

    def __init__(
        self, networks: Sequence[SubsplitBayesianNetworks], logits: RowTable, row_of_component: Sequence[Tensor]
    ) -> None:
        super().__init__()
        self.logits = logits
        segments, first_entries, n_segments, n_rows = [], [], 0, 0
        for own, row in zip(networks, row_of_component, strict=True):
            of_entry = own.support.segments.segment_of_entry.astype(np.int64)
            first_entries.append(n_rows + row * len(of_entry))
            for _ in range(own.n_components):
                segments.append(of_entry + n_segments)
                n_segments, n_rows = n_segments + own.support.segments.n_segments, n_rows + len(of_entry)
        self._n_segments = n_segments
        self._segment_of_row = torch.from_numpy(np.concatenate(segments)).to(logits.device)
        self._first_entry = torch.cat(first_entries).to(logits.device)  # of each component of all mixtures

    def log_prob(self, topologies: PlacedTopologies, pairs: Pairs) -> Tensor:
        """(Q,) log q of topologies under components, all rootings summed; -inf out of support."""
        log_cpd = reference.log_softmax(self.logits[:, None], self._segment_of_row, self._n_segments)
        every = topologies.paired(pairs.tree, self._first_entry[pairs.component])
        return reference.log_prob(log_cpd, every)[0]
