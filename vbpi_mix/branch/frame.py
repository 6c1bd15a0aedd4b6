"""Frame in which a flow sees log branch lengths: centred and scaled by feature rows that are not trained."""

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.branch import kernels
from vbpi_mix.branch.features import FeatureIds, gathered
from vbpi_mix.branch.flow_reference import SHIFT
from vbpi_mix.branch.planar import Planar
from vbpi_mix.branch.realnvp import RealNVP
from vbpi_mix.branch.skew import Skew


class Framed(nn.Module):
    """A flow f of x = (log b - c) / s: log b -> c + s f(x), with c and s of every edge from its features.

    c_e = sum_f centre[f] and s_e = exp(sum_f log_scale[f]) over the features of an edge are set once, before
    training, and saved with the parameters. Seen from near its mean and in units of its standard deviation, a
    length is of order one, and no weight of the flow has to move because of where the lengths lie. The determinant
    is that of f. Before a start, c is 0 and s is 1.

    Arguments:
        inner: f, a module that satisfies `flows.Flow` in x.
        n_features: F.
    """

    centre: Tensor
    log_scale: Tensor

    def __init__(self, inner: nn.Module, n_features: int) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("centre", torch.zeros(n_features, dtype=torch.float64))
        self.register_buffer("log_scale", torch.zeros(n_features, dtype=torch.float64))

    @torch.no_grad()
    def start_fitted(self, table: Tensor, n_splits: int) -> None:
        """Look from the locations and scales of a fitted table; the flow itself starts as it was made.

        Arguments:
            table: (F, 2) as in `branch.reference`.
            n_splits: rows below this are those of splits, of which every edge has one.
        """
        self.centre.copy_(table[:, 0])
        self.log_scale.copy_(table[:, 1])
        if isinstance(self.inner, Skew):
            self.inner.start_fitted(table, n_splits)

    @torch.no_grad()
    def start_published(self, generator: torch.Generator, n_splits: int) -> None:
        """x = log b + 2, and the published start of the flow, where it has one."""
        self.centre.zero_()
        self.centre[:n_splits] = SHIFT
        self.log_scale.zero_()
        if isinstance(self.inner, (Planar, RealNVP)):
            self.inner.start_published(generator)

    @torch.no_grad()
    def extend(self, old: "Framed", features: np.ndarray, table: Tensor, n_splits: int) -> dict[str, np.ndarray]:
        """Take over a flow on a smaller support; new features start as in `start_fitted`.

        Arguments:
            old: a flow of the same kind and size.
            features: (F_old,) the new number of every old feature.
            table: (F, 2) locations and log-scales on the larger support.
            n_splits: see `start_fitted`.

        Returns:
            By parameter name, for those whose rows moved: (R_old,) the new row of every old one.
        """
        self.start_fitted(table, n_splits)
        index = torch.from_numpy(features.astype(np.int64))
        self.centre[index], self.log_scale[index] = old.centre, old.log_scale
        for name, buffer in old.inner.named_buffers():
            self.inner.get_buffer(name).copy_(buffer)
        moved = {}
        for name, values in old.named_parameters():
            fresh = self.get_parameter(name)
            if fresh.shape == values.shape:
                fresh.copy_(values)
                continue
            n_flows = len(values) // len(old.centre)  # rows of one flow after those of another
            rows = (np.arange(n_flows)[:, None] * len(self.centre) + features).reshape(-1).astype(np.int64)
            fresh[torch.from_numpy(rows)] = values
            moved[name] = rows
        return moved

    def forward(self, base_sample: Tensor, feature_ids: FeatureIds, *flow_of_tree: Tensor) -> tuple[Tensor, Tensor]:
        """(T, E) log branch lengths and (T,) log |det|; a further argument is handed to the flow."""
        centre, scale = self._frame(feature_ids)
        y, log_abs_det = self.inner((base_sample - centre) / scale, feature_ids, *flow_of_tree)
        return torch.addcmul(centre, scale, y), log_abs_det

    def inverse(self, log_lengths: Tensor, feature_ids: FeatureIds, *flow_of_tree: Tensor) -> tuple[Tensor, Tensor]:
        """The base samples of given log branch lengths, and log |det| of the forward map there."""
        centre, scale = self._frame(feature_ids)
        inverse = self.inner.inverse
        x, log_abs_det = inverse((log_lengths - centre) / scale, feature_ids, *flow_of_tree)  # type: ignore[operator]
        return torch.addcmul(centre, scale, x), log_abs_det

    def _frame(self, feature_ids: FeatureIds) -> tuple[Tensor, Tensor]:
        """(T, E) c and s."""
        if isinstance(feature_ids, Tensor):
            sums = gathered(torch.stack([self.centre, self.log_scale], dim=1), feature_ids)
            return sums[..., 0], sums[..., 1].exp()
        centre, scale = np.empty(feature_ids.shape[:2]), np.empty(feature_ids.shape[:2])
        kernels.frame(self.centre.numpy(), self.log_scale.numpy(), feature_ids, centre, scale)
        return torch.from_numpy(centre), torch.from_numpy(scale)
