"""The log-normal base of the branch lengths: stacked tables of all components, one parameter tensor."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.branch import kernels


class LogNormalBase(nn.Module):
    """Independent normals on log branch lengths, their parameters summed from feature rows.

    See `branch.reference` for the formulas. `table` is (A, F, 2): location and log-scale contributions.

    Arguments:
        n_components: A.
        n_features: F, the rows of the feature indexer.
    """

    def __init__(self, *, n_components: int, n_features: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(n_components, n_features, 2, dtype=torch.float64))

    def draw(self, feature_ids: np.ndarray, component_of_tree: Tensor, noise: Tensor) -> Tensor:
        """(T, E) reparameterised log branch lengths.

        Arguments:
            feature_ids: (T, E, 3) int32, -1 for none.
            component_of_tree: (T,) int64, the component that each tree is drawn from.
            noise: (T, E) standard normal.
        """
        return _Draw.apply(self.table, feature_ids, component_of_tree.numpy(), noise)

    def log_prob(self, feature_ids: np.ndarray, components: Tensor, log_lengths: Tensor) -> Tensor:
        """(M, T) log-density of log branch lengths (T, E) under each component of (M,)."""
        return _LogProb.apply(self.table, log_lengths, feature_ids, components.numpy())


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: np.ndarray, component: np.ndarray, noise: Tensor) -> Tensor:
        ctx.save_for_backward(table, noise)
        ctx.ids, ctx.component = ids, component
        return torch.from_numpy(kernels.draw_forward(table.detach().numpy(), ids, component, noise.numpy()))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        table, noise = ctx.saved_tensors
        grad_out = grad_outputs[0].contiguous().numpy()
        gradient = kernels.draw_backward(table.detach().numpy(), ctx.ids, ctx.component, noise.numpy(), grad_out)
        return torch.from_numpy(gradient), None, None, None


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, z: Tensor, ids: np.ndarray, components: np.ndarray) -> Tensor:
        ctx.save_for_backward(table, z)
        ctx.ids, ctx.components = ids, components
        value = kernels.log_prob_forward(table.detach().numpy(), ids, components, z.detach().numpy())
        return torch.from_numpy(value)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        table, z = ctx.saved_tensors
        grad_out = grad_outputs[0].contiguous().numpy()
        in_table, in_z = kernels.log_prob_backward(
            table.detach().numpy(), ctx.ids, ctx.components, z.detach().numpy(), grad_out
        )
        return torch.from_numpy(in_table), torch.from_numpy(in_z), None, None
