"""Skewed log branch lengths: an elementwise flow whose left tail is that of a short branch's posterior."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vbpi_mix.branch import flow_reference, skew_kernels
from vbpi_mix.branch.features import FeatureIds
from vbpi_mix.errors import BackendError
from vbpi_mix.row_table import RowBackward, RowTable, rows_of

_ROWS = (0, 1)
_LOG_SHARE = math.log(0.4)  # skewness over scale that fits log-gamma distributions of shapes 1 to 300: 0.6 to 0.3


class Skew(nn.Module):
    """Each length by itself, bent to the left by as much as its features say; formulas in `flow_reference.skew`.

    The posterior of a short branch, given the others, is close to a gamma distribution: few substitutions, so the
    log length has a long left tail, e^x, that no normal has. Under a log-normal approximation these tails carry
    importance weights without a bound.

    Arguments:
        n_features: F.
        n_taxa: N; not used.
    """

    def __init__(self, *, n_features: int, n_taxa: int) -> None:
        super().__init__()
        del n_taxa
        self.rows = RowTable(torch.full((n_features, 1), -4.0, dtype=torch.float64), _ROWS)

    @torch.no_grad()
    def start_fitted(self, table: Tensor, n_splits: int) -> None:
        """Skewness in proportion to the scale of log lengths, as gamma distributions have it.

        Arguments:
            table: (F, 2) locations and log-scales, as in `branch.reference`.
            n_splits: rows of splits, of which every edge has one.
        """
        self.rows[:, 0] = table[:, 1]
        self.rows[:n_splits, 0] += _LOG_SHARE

    def forward(self, x: Tensor, feature_ids: FeatureIds, flow_of_tree: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(T, E) images of x (T, E) and (T,) log |det|; differentiable once.

        Rows are all that a flow has, so it does not matter which one of several (`joined`) a tree goes through.
        """
        del flow_of_tree
        if isinstance(feature_ids, Tensor):
            return flow_reference.skew(x, feature_ids, self.rows)
        return _Skew.apply(x, self.rows, feature_ids)

    def inverse(self, y: Tensor, feature_ids: FeatureIds) -> tuple[Tensor, Tensor]:
        """The inverse, by Newton's method to rounding, and the forward map's log |det|; differentiable once.

        Raises:
            BackendError: ids on a device.
        """
        if isinstance(feature_ids, Tensor):
            raise BackendError("the inverse of the flow 'skew' is computed on the CPU only: place the problem there")
        return _SkewInverse.apply(y, self.rows, feature_ids)


class _Skew(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, ids: np.ndarray) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        values = _array(x)
        out, log_det = np.empty_like(values), np.empty(len(values))
        skew_kernels.forward(values, ids, rows_of(rows, _ROWS), out, log_det)
        ctx.state = values, rows, ids
        return torch.from_numpy(out), torch.from_numpy(log_det)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_out: Tensor, of_log_det: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        values, rows, ids = ctx.state
        return _backward(values, rows, ids, _array(of_out), _array(of_log_det), inverse=False)


class _SkewInverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, rows: Tensor, ids: np.ndarray) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        values = _array(y)
        out, log_det = np.empty_like(values), np.empty(len(values))
        skew_kernels.inverse(values, ids, rows_of(rows, _ROWS), out, log_det)
        ctx.state = out, rows, ids
        return torch.from_numpy(out.copy()), torch.from_numpy(log_det)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_out: Tensor, of_log_det: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        values, rows, ids = ctx.state
        return _backward(values, rows, ids, _array(of_out), _array(of_log_det), inverse=True)


def _backward(
    x: np.ndarray, rows: Tensor, ids: np.ndarray, of_out: np.ndarray, of_log_det: np.ndarray, *, inverse: bool
) -> tuple[Tensor | None, ...]:
    target = RowBackward(rows, _ROWS)
    gradient = target.begin()
    of_in = np.empty_like(x)
    skew_kernels.backward(x, ids, target.rows, inverse, of_out, of_log_det, gradient.arrays, of_in)
    return torch.from_numpy(of_in), target.finish(gradient), None


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())
