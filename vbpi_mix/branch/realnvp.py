"""RealNVP on log branch lengths: pendant and internal edges transform one another."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vbpi_mix.branch import flow_reference, realnvp_kernels
from vbpi_mix.branch.features import FeatureIds, moved, used_rows
from vbpi_mix.row_table import RowBackward, RowTable, rows_of

_ROWS, _BIAS = (0, 1), (0, 1, 2)


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
        n_flows: B flows of the same kind, each tree going through one of them; their rows follow one another.
        dtype: data type of the stored rows.

    References:
        Dinh, Sohl-Dickstein and Bengio, Density estimation using Real NVP, ICLR 2017.
        Zhang, Improved variational Bayesian phylogenetic inference with normalizing flows, NeurIPS 2020.
    """

    output_gain: Tensor
    first_rows: Tensor | None = None  # (B,) the first row of each flow, where they have not n_features rows each

    def __init__(
        self,
        *,
        n_features: int,
        n_taxa: int,
        n_layers: int = 10,
        n_hidden: int = 100,
        n_flows: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.n_features, self.n_taxa, self.n_flows = n_features, n_taxa, n_flows
        self.n_layers, self.n_hidden = n_layers, n_hidden
        width = flow_reference.realnvp_width(n_layers, n_hidden)
        self.rows = RowTable(torch.zeros(n_flows * n_features, width, dtype=dtype), _ROWS)
        self.hidden_bias = RowTable(torch.zeros(n_flows, n_layers, n_hidden, dtype=torch.float64), _BIAS)
        self.register_buffer("output_gain", torch.ones((), dtype=torch.float64))
        self.start_as_identity(torch.Generator().manual_seed(0))

    @torch.no_grad()
    def start_as_identity(self, generator: torch.Generator) -> None:
        """Random input weights, output weights of zero, and a gain that keeps Adam's steps small.

        An output is the sum of H terms from each row of an edge, which Adam moves together, by the learning rate at
        first. Divided by H, a step moves an output by about the rate, whatever the number of units.
        """
        self.rows.zero_()
        self.hidden_bias.zero_()
        self.output_gain.fill_(1 / self.n_hidden)
        self._draw_input_weights(generator)

    @torch.no_grad()
    def start_published(self, generator: torch.Generator) -> None:
        """Every linear layer as torch makes it, uniform within 1/sqrt(its inputs), biases included; gain 1.

        The first layer of a network has an input for every feature (F), of which a tree uses few, the last one H.
        """
        self.output_gain.fill_(1.0)
        n_slots, n_hidden = (self.n_layers + 1) // 2, self.n_hidden
        inputs = self.rows[:, : n_slots * n_hidden]
        outputs = self.rows[:, n_slots * n_hidden :]
        for part, n_inputs in ((inputs, self.n_features), (self.hidden_bias, self.n_features), (outputs, n_hidden)):
            bound = 1 / math.sqrt(n_inputs)
            part.copy_(torch.empty(part.shape, dtype=part.dtype).uniform_(-bound, bound, generator=generator))

    def forward(self, x: Tensor, feature_ids: FeatureIds, flow_of_tree: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(T, E) images of x (T, E) and (T,) log |det|; differentiable once.

        Arguments:
            x: (T, E).
            feature_ids: (T, E, n) int32.
            flow_of_tree: (T,) int64 the flow that each tree goes through, 0..B-1; the first if not given.
        """
        return self._run(x, feature_ids, flow_of_tree, inverse=False)

    def inverse(self, y: Tensor, feature_ids: FeatureIds, flow_of_tree: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The exact inverse and the forward map's log |det|; differentiable once."""
        return self._run(y, feature_ids, flow_of_tree, inverse=True)

    def _run(
        self, x: Tensor, feature_ids: FeatureIds, flow_of_tree: Tensor | None, *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        if isinstance(feature_ids, Tensor):
            return self._by_definition(x, feature_ids, flow_of_tree, inverse=inverse)
        flows = np.zeros(len(x), dtype=np.int64) if flow_of_tree is None else flow_of_tree.numpy()
        ids = feature_ids
        if flow_of_tree is not None:
            ids = np.where(ids >= 0, ids + (flows * self.n_features).astype(np.int32)[:, None, None], ids)
        return _RealNVP.apply(x, self.rows, self.hidden_bias, ids, flows, self.n_taxa, float(self.output_gain), inverse)

    def _by_definition(
        self, x: Tensor, feature_ids: Tensor, flow_of_tree: Tensor | None, *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        bias, gain = self.hidden_bias[0], self.output_gain
        if flow_of_tree is not None:
            bias = self.hidden_bias[flow_of_tree]
            gain = gain if gain.ndim == 0 else gain[flow_of_tree][:, None]
            first = flow_of_tree * self.n_features if self.first_rows is None else self.first_rows[flow_of_tree]
            feature_ids = moved(feature_ids, first)
        rows, ids = used_rows(self.rows, feature_ids)
        return flow_reference.realnvp(x, ids, self.n_taxa, rows, bias, gain=gain, inverse=inverse)

    def _draw_input_weights(self, generator: torch.Generator) -> None:
        n_inputs = (self.n_layers + 1) // 2 * self.n_hidden
        bound = math.sqrt(6 / (self.n_taxa + self.n_hidden))
        values = torch.empty((len(self.rows), n_inputs), dtype=self.rows.dtype)
        self.rows[:, :n_inputs] = values.uniform_(-bound, bound, generator=generator)


class _RealNVP(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, rows: Tensor, bias: Tensor, ids: np.ndarray, flows: np.ndarray, n_taxa: int, gain: float,
        inverse: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        (n_trees, n_edges), (_, n_layers, n_hidden) = x.shape, bias.shape
        out, log_det = np.empty((n_trees, n_edges)), np.empty(n_trees)
        hidden = np.empty((n_layers, n_trees, n_hidden))
        scales, before = np.empty((n_layers, n_trees, n_edges)), np.empty((n_layers, n_trees, n_edges))
        realnvp_kernels.run(
            _array(x), ids, flows, n_taxa, rows_of(rows, _ROWS), _array(bias), gain, inverse,
            out, log_det, hidden, scales, before,
        )  # fmt: skip
        ctx.state = ids, flows, n_taxa, rows, bias, gain, inverse, out, hidden, scales, before
        return torch.from_numpy(out.copy()), torch.from_numpy(log_det)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_out: Tensor, of_log_det: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        ids, flows, n_taxa, rows, bias, gain, inverse, out, hidden, scales, before = ctx.state
        target = RowBackward(rows, _ROWS)
        gradient = target.begin()
        of_bias, of_x = np.empty(tuple(bias.shape)), np.empty_like(out)
        realnvp_kernels.backward(
            ids, flows, n_taxa, target.rows, gain, inverse, out, hidden, scales, before,
            _array(of_out), _array(of_log_det), gradient.arrays, of_bias, of_x,
        )  # fmt: skip
        of_bias_rows = RowBackward(bias, _BIAS).whole(of_bias.reshape(len(of_bias), -1))
        return torch.from_numpy(of_x), target.finish(gradient), of_bias_rows, None, None, None, None, None


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())
