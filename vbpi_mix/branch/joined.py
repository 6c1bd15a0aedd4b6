"""The branch models of several mixtures as one, for trees on a device: their tables one after another.

Features are numbered through all models, so a tree's ids say which model's rows it takes. What differs by component is
found by the component's own first row.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vbpi_mix.branch import reference
from vbpi_mix.branch.base import LogNormalBase
from vbpi_mix.branch.features import FeatureIds, index_of, moved
from vbpi_mix.branch.frame import Framed
from vbpi_mix.branch.realnvp import RealNVP
from vbpi_mix.row_table import RowTable


class JoinedBase(LogNormalBase):
    """The bases of several mixtures: all of their components in one table of rows.

    Arguments:
        table: (R, 2) location and log-scale contributions, the rows of one component after those of another.
        first_rows: (C,) of each component: its first row less the number of its model's first feature.
    """

    def __init__(self, table: RowTable, first_rows: Tensor) -> None:
        nn.Module.__init__(self)
        self.table = table
        self.first_rows = first_rows

    def draw(self, feature_ids: FeatureIds, component_of_tree: Tensor, noise: Tensor) -> Tensor:
        ids = self._rows(feature_ids, component_of_tree)
        return reference.draw(self.table[None], ids, torch.zeros_like(component_of_tree), noise)

    def own_log_prob(
        self, feature_ids: FeatureIds, component_of_tree: Tensor, log_lengths: Tensor, *, frozen: bool = False
    ) -> Tensor:
        table = self.table.detach() if frozen else self.table
        ids = self._rows(feature_ids, component_of_tree)
        return reference.own_log_prob(table[None], ids, torch.zeros_like(component_of_tree), log_lengths)

    def _rows(self, feature_ids: FeatureIds, component: Tensor) -> Tensor:
        return moved(index_of(feature_ids, self.table.device), self.first_rows[component])


def join_flows(flows: Sequence[nn.Module], tables: Mapping[str, RowTable], n_rows: Sequence[int]) -> nn.Module:
    """Flows of one kind and size as one module that takes the number of each tree's flow.

    Arguments:
        flows: a module of `flows.make_flow` for each model; some may hold several flows, one per component.
        tables: by parameter name, the tables of all of them, one after another.
        n_rows: number of features of each model.
    """
    made = copy.deepcopy(flows[0])
    for name, table in tables.items():
        owner, _, own = name.rpartition(".")
        setattr(made.get_submodule(owner), own, table)
    device = next(iter(tables.values())).device if tables else None
    if not isinstance(made, Framed):
        return made
    frames = [flow for flow in flows if isinstance(flow, Framed)]
    made.centre = torch.cat([frame.centre for frame in frames]).to(device)
    made.log_scale = torch.cat([frame.log_scale for frame in frames]).to(device)
    inner = [frame.inner for frame in frames if isinstance(frame.inner, RealNVP)]
    if isinstance(made.inner, RealNVP):
        made.inner.output_gain = torch.cat([one.output_gain.expand(one.n_flows) for one in inner]).to(device)
        first, row, feature = [], 0, 0
        for one, n in zip(inner, n_rows, strict=True):
            first += [row + i * n - feature for i in range(one.n_flows)]
            row, feature = row + one.n_flows * n, feature + n
        made.inner.first_rows = torch.tensor(first).to(device)
    return made
