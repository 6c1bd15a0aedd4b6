"""Planar flows on log branch lengths."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vbpi_mix.branch import flow_reference, planar_kernels
from vbpi_mix.branch.features import FeatureIds
from vbpi_mix.errors import BackendError, NumericalError
from vbpi_mix.row_table import RowBackward, RowTable, rows_of

_ORDER = (0, 1)
_PUBLISHED_NOISE = 0.01


class Planar(nn.Module):
    """Planar layers whose vectors are sums of feature rows; formulas in `flow_reference.planar`.

    It begins as the identity: the vectors u are zero.

    Arguments:
        n_features: F.
        n_taxa: N.
        n_layers: L.

    References:
        Rezende and Mohamed, Variational inference with normalizing flows, ICML 2015.
        Zhang, Improved variational Bayesian phylogenetic inference with normalizing flows, NeurIPS 2020.
    """

    def __init__(self, *, n_features: int, n_taxa: int, n_layers: int = 16) -> None:
        super().__init__()
        self.n_taxa = n_taxa
        self.n_layers = n_layers
        self.rows = RowTable(torch.zeros(n_features, 2 * n_layers, dtype=torch.float64), _ORDER)
        self.bias = RowTable(torch.zeros(n_layers, dtype=torch.float64), (0,))
        self.start_as_identity(torch.Generator().manual_seed(0))

    @torch.no_grad()
    def start_as_identity(self, generator: torch.Generator) -> None:
        """Random vectors w, u of zero."""
        self._draw(self.rows[:, : self.n_layers], generator)
        self.rows[:, self.n_layers :] = 0

    @torch.no_grad()
    def start_published(self, generator: torch.Generator) -> None:
        """Rows of w and u normal with standard deviation 0.01, biases of zero."""
        self.rows.copy_(torch.randn(self.rows.shape, generator=generator, dtype=self.rows.dtype) * _PUBLISHED_NOISE)

    def forward(self, x: Tensor, feature_ids: FeatureIds, flow_of_tree: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(T, E) log branch lengths and (T,) log |det|; differentiable once.

        Arguments:
            x: (T, E).
            feature_ids: (T, E, n).
            flow_of_tree: (T,) int64 the flow that each tree goes through, where there are several (`joined`).
        """
        if isinstance(feature_ids, Tensor):
            bias = self.bias if flow_of_tree is None else self.bias.view(-1, self.n_layers)[flow_of_tree]
            return flow_reference.planar(x, feature_ids, self.rows, bias)
        return _Planar.apply(x, self.rows, self.bias, feature_ids)

    def inverse(self, y: Tensor, feature_ids: FeatureIds) -> tuple[Tensor, Tensor]:
        """The inverse, found numerically to rounding, and the forward map's log |det|; without gradient.

        Raises:
            NumericalError: a gradient is wanted.
            BackendError: ids on a device.
        """
        if isinstance(feature_ids, Tensor):
            raise BackendError("the inverse of the flow 'planar' is computed on the CPU only: place the problem there")
        if torch.is_grad_enabled() and any(t.requires_grad for t in (y, self.rows, self.bias)):
            raise NumericalError(
                "the inverse of a planar flow has no gradient: evaluate given trees under torch.no_grad(), "
                "or use the flow 'realnvp'"
            )
        out, log_abs_det = np.empty(tuple(y.shape)), np.empty(y.shape[0])
        planar_kernels.inverse(_array(y), feature_ids, rows_of(self.rows, _ORDER), _array(self.bias), out, log_abs_det)
        return torch.from_numpy(out), torch.from_numpy(log_abs_det)

    def _draw(self, part: Tensor, generator: torch.Generator) -> None:
        bound = math.sqrt(3 / (2 * self.n_taxa))  # w . x of order one
        part.copy_(torch.empty(part.shape, dtype=part.dtype).uniform_(-bound, bound, generator=generator))


class _Planar(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, rows: Tensor, bias: Tensor, ids: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        n_trees, n_edges = x.shape
        out, log_det = np.empty((n_trees, n_edges)), np.empty(n_trees)
        before = np.empty((n_trees, len(bias), n_edges))
        biases = _array(bias)
        planar_kernels.forward(_array(x), ids, rows_of(rows, _ORDER), biases, out, log_det, before)
        ctx.state = ids, rows, bias, biases, before
        return torch.from_numpy(out), torch.from_numpy(log_det)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_out: Tensor, of_log_det: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        ids, rows, bias, biases, before = ctx.state
        target = RowBackward(rows, _ORDER)
        gradient = target.begin()
        of_bias, of_x = np.empty_like(biases), np.empty(tuple(of_out.shape))
        planar_kernels.backward(
            ids, target.rows, biases, before, _array(of_out), _array(of_log_det), gradient.arrays, of_bias, of_x
        )
        of_bias_row = RowBackward(bias, (0,)).whole(of_bias[:, None])
        return torch.from_numpy(of_x), target.finish(gradient), of_bias_row, None


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())
