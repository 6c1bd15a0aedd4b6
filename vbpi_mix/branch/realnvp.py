"""RealNVP on log branch lengths: pendant and internal edges transform one another."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vbpi_mix.branch import flow_reference, realnvp_kernels
from vbpi_mix.branch.flow_reference import SHIFT
from vbpi_mix.train.row_table import RowBackward, RowTable, rows_of

_ORDER = (0, 1)


class RealNVP(nn.Module):
    """Coupling layers whose weights are sums of feature rows; formulas in `flow_reference.realnvp`.

    It begins as the identity: the weights of the last layers are zero. The rows are stored in single precision unless
    told otherwise (each is a parameter that Adam moves by far more than its rounding); the map, its inverse and its
    determinant are computed from them in double precision.

    Arguments:
        n_features: F.
        n_taxa: N.
        n_layers: L, coupling layers.
        n_hidden: H, units of each layer's network.
        dtype: of the stored rows.

    References:
        Dinh, Sohl-Dickstein and Bengio, Density estimation using Real NVP, ICLR 2017.
        Zhang, Improved variational Bayesian phylogenetic inference with normalizing flows, NeurIPS 2020.
    """

    def __init__(
        self,
        *,
        n_features: int,
        n_taxa: int,
        n_layers: int = 10,
        n_hidden: int = 100,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.n_taxa = n_taxa
        self.n_layers, self.n_hidden = n_layers, n_hidden
        width = flow_reference.realnvp_width(n_layers, n_hidden)
        self.rows = RowTable(torch.zeros(n_features, width, dtype=dtype), _ORDER)
        self.hidden_bias = RowTable(torch.zeros(n_layers, n_hidden, dtype=torch.float64), _ORDER)
        self.start_as_identity(torch.Generator().manual_seed(0))

    @torch.no_grad()
    def start_as_identity(self, generator: torch.Generator) -> None:
        """Random input weights, output weights of zero."""
        self.rows.zero_()
        self._draw_input_weights(generator)

    @torch.no_grad()
    def start_published(self, generator: torch.Generator) -> None:
        """Xavier-uniform weights in both layers of every network, biases of zero."""
        self.start_as_identity(generator)
        n_slots, n_hidden = (self.n_layers + 1) // 2, self.n_hidden
        outputs = self.rows[:, n_slots * n_hidden :].unflatten(1, (n_slots, 2, n_hidden + 1))
        bound = math.sqrt(6 / (n_hidden + 2 * self.n_taxa))
        outputs[..., :-1] = torch.empty(outputs[..., :-1].shape, dtype=self.rows.dtype).uniform_(
            -bound, bound, generator=generator
        )

    def forward(self, base_sample: Tensor, feature_ids: np.ndarray) -> tuple[Tensor, Tensor]:
        """(T, E) log branch lengths and (T,) log |det|; differentiable once."""
        x, log_det = _RealNVP.apply(base_sample - SHIFT, self.rows, self.hidden_bias, feature_ids, self.n_taxa)
        return x + SHIFT, log_det

    def inverse(self, log_lengths: Tensor, feature_ids: np.ndarray) -> tuple[Tensor, Tensor]:
        """The exact inverse and the forward map's log |det|; where gradients are wanted, in plain torch."""
        y = log_lengths - SHIFT
        inputs = (log_lengths, self.rows, self.hidden_bias)
        if torch.is_grad_enabled() and any(t.requires_grad for t in inputs):
            x, log_det = flow_reference.realnvp(y, feature_ids, self.n_taxa, self.rows, self.hidden_bias, inverse=True)
            return x + SHIFT, log_det
        out, log_abs_det = np.empty(tuple(y.shape)), np.empty(y.shape[0])
        realnvp_kernels.inverse(
            _array(y), feature_ids, self.n_taxa, rows_of(self.rows, _ORDER), _array(self.hidden_bias), out, log_abs_det
        )
        return torch.from_numpy(out) + SHIFT, torch.from_numpy(log_abs_det)

    def _draw_input_weights(self, generator: torch.Generator) -> None:
        n_inputs = (self.n_layers + 1) // 2 * self.n_hidden
        bound = math.sqrt(6 / (self.n_taxa + self.n_hidden))
        values = torch.empty((len(self.rows), n_inputs), dtype=self.rows.dtype)
        self.rows[:, :n_inputs] = values.uniform_(-bound, bound, generator=generator)


class _RealNVP(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, rows: Tensor, bias: Tensor, ids: np.ndarray, n_taxa: int
    ) -> tuple[Tensor, Tensor]:
        (n_trees, n_edges), (n_layers, n_hidden) = x.shape, bias.shape
        out, log_det = np.empty((n_trees, n_edges)), np.empty(n_trees)
        hidden = np.empty((n_layers, n_trees, n_hidden))
        scales, before = np.empty((n_layers, n_trees, n_edges)), np.empty((n_layers, n_trees, n_edges))
        values = _array(x)
        realnvp_kernels.forward(
            values, ids, n_taxa, rows_of(rows, _ORDER), _array(bias), out, log_det, hidden, scales, before
        )
        ctx.state = values, ids, n_taxa, rows, bias, out, hidden, scales, before
        return torch.from_numpy(out.copy()), torch.from_numpy(log_det)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_out: Tensor, of_log_det: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        values, ids, n_taxa, rows, bias, out, hidden, scales, before = ctx.state
        target = RowBackward(rows, _ORDER)
        gradient = target.begin()
        of_bias, of_x = np.empty((hidden.shape[0], hidden.shape[2])), np.empty_like(values)
        realnvp_kernels.backward(
            values, ids, n_taxa, target.rows, out, hidden, scales, before, _array(of_out), _array(of_log_det),
            gradient.arrays, of_bias, of_x,
        )  # fmt: skip
        return torch.from_numpy(of_x), target.finish(gradient), RowBackward(bias, _ORDER).whole(of_bias), None, None


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())
