"""The log-normal base of the branch lengths: stacked tables of all components, one parameter tensor."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.branch import kernels, reference
from vbpi_mix.branch.features import FeatureIds
from vbpi_mix.estimators import Pairs
from vbpi_mix.row_table import RowBackward, RowTable, rows_of

_ORDER = (1, 2, 0)  # features are rows, the components contiguous within them


class LogNormalBase(nn.Module):
    """Independent normals on log branch lengths, their parameters summed from feature rows.

    See `branch.reference` for the formulas. `table` is (A, F, 2): location and log-scale contributions.

    Arguments:
        n_components: A.
        n_features: F, the rows of the feature indexer.
    """

    def __init__(self, *, n_components: int, n_features: int) -> None:
        super().__init__()
        self.table = RowTable(torch.zeros(n_components, n_features, 2, dtype=torch.float64), _ORDER)

    def draw(self, feature_ids: FeatureIds, component_of_tree: Tensor, noise: Tensor) -> Tensor:
        """(T, E) reparameterised log branch lengths.

        Arguments:
            feature_ids: (T, E, 3), -1 for none; see `features.FeatureIds` for where this is computed.
            component_of_tree: (T,) int64, the component that each tree is drawn from.
            noise: (T, E) standard normal.
        """
        if isinstance(feature_ids, Tensor):
            return reference.draw(self.table, feature_ids, component_of_tree, noise)
        return _Draw.apply(self.table, feature_ids, component_of_tree.numpy(), noise)

    def log_prob(
        self, feature_ids: FeatureIds, components: Tensor | Pairs, log_lengths: Tensor, *, frozen: bool = False
    ) -> Tensor:
        """(M, T) log-density of log branch lengths (T, E) under each component of (M,), or (Q,) of pairs.

        Differentiable in the lengths and, unless `frozen`, in the table.
        """
        if isinstance(components, Pairs):
            tree = components.tree
            ids = feature_ids[tree if isinstance(feature_ids, Tensor) else tree.numpy()]
            return self.own_log_prob(ids, components.component, log_lengths[tree], frozen=frozen)
        table = self.table.detach() if frozen else self.table
        if isinstance(feature_ids, Tensor):
            return reference.log_prob(table, feature_ids, components, log_lengths)
        return _LogProb.apply(table, log_lengths, feature_ids, components.numpy())

    def own_log_prob(
        self, feature_ids: FeatureIds, component_of_tree: Tensor, log_lengths: Tensor, *, frozen: bool = False
    ) -> Tensor:
        """(T,) log-density of log branch lengths (T, E), each tree under the one component given for it, (T,).

        Differentiable in the lengths and, unless `frozen`, in the table.
        """
        table = self.table.detach() if frozen else self.table
        if isinstance(feature_ids, Tensor):
            return reference.own_log_prob(table, feature_ids, component_of_tree, log_lengths)
        return _OwnLogProb.apply(table, log_lengths, feature_ids, component_of_tree.numpy())


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: np.ndarray, component: np.ndarray, noise: Tensor) -> Tensor:
        ctx.table, ctx.arrays = table, (ids, component, noise.numpy())
        out = np.empty(ids.shape[:2])
        kernels.draw_forward(_rows(table), *ctx.arrays, out)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        target = RowBackward(ctx.table, _ORDER)
        gradient = target.begin()
        upstream = grad_outputs[0].contiguous().numpy()
        ids, component, noise = ctx.arrays
        kernels.draw_backward(_rows(ctx.table), ids, component, noise, upstream, gradient.arrays)
        return target.finish(gradient), None, None, None


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, z: Tensor, ids: np.ndarray, components: np.ndarray) -> Tensor:
        ctx.table, ctx.arrays = table, (ids, components, z.detach().contiguous().numpy())
        n_trees, n_edges = z.shape
        out = np.empty((len(components), n_trees))
        ctx.kept = np.empty((2, n_trees, n_edges, len(components)))
        kernels.log_prob_forward(_rows(table), *ctx.arrays, out, ctx.kept)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        ids, components, z = ctx.arrays
        in_z = np.empty_like(z)
        upstream = grad_outputs[0].contiguous().numpy()
        if not ctx.needs_input_grad[0]:
            kernels.log_prob_slopes(ctx.kept, upstream, in_z)
            return None, torch.from_numpy(in_z), None, None
        target = RowBackward(ctx.table, _ORDER)
        gradient = target.begin()
        n_components = ctx.table.shape[0]
        kernels.log_prob_backward(ids, components, n_components, ctx.kept, upstream, gradient.arrays, in_z)
        return target.finish(gradient), torch.from_numpy(in_z), None, None


class _OwnLogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, z: Tensor, ids: np.ndarray, component: np.ndarray) -> Tensor:
        values = z.detach().contiguous().numpy()
        out, kept = np.empty(len(values)), np.empty((2, *values.shape))
        kernels.own_log_prob_forward(_rows(table), ids, component, values, out, kept)
        ctx.table, ctx.arrays = table, (ids, component, kept)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        ids, component, kept = ctx.arrays
        in_z = np.empty(kept.shape[1:])
        upstream = grad_outputs[0].contiguous().numpy()
        if not ctx.needs_input_grad[0]:
            kernels.log_prob_slopes(kept[..., None], upstream[None], in_z)
            return None, torch.from_numpy(in_z), None, None
        target = RowBackward(ctx.table, _ORDER)
        gradient = target.begin()
        kernels.own_log_prob_backward(ids, component, ctx.table.shape[0], kept, upstream, gradient.arrays, in_z)
        return target.finish(gradient), torch.from_numpy(in_z), None, None


def _rows(table: Tensor) -> np.ndarray:
    """(F, 2, A)."""
    return rows_of(table, _ORDER).reshape(table.shape[1], 2, table.shape[0])
