"""q(parameters of the substitution model), and how branch lengths follow them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vbpi_mix.estimators import Pairs
from vbpi_mix.row_table import RowBackward, RowTable, rows_of
from vbpi_mix.seeding import JoinedGenerators, standard_normal
from vbpi_mix.variational import response_kernels

_ORDER = (0, 1)


@dataclass(frozen=True, kw_only=True)
class ParameterDraws:
    """Parameters of T trees.

    Arguments:
        whitened: (T, d) v.
        coordinates: (T, d) u = centre + scale v.
        log_q: (M, T) log-density of the coordinates under each evaluated component; (Q,) where pairs are evaluated.
    """

    whitened: Tensor
    coordinates: Tensor
    log_q: Tensor


class ParameterPosterior(nn.Module):
    """Correlated normals on the unconstrained coordinates u of a model's parameters, one for each component.

    u = centre + scale v, v ~ N(m_a, L_a L_a^T) under component a. Centre and scale are set once, before training, to
    a Laplace approximation, so that v is of order one and the normals start as the standard one.

    Parameters and branch lengths are correlated in the posterior: rates that differ more between sites go with longer
    trees. So the log length of every edge is shifted by r_s . v, with a row r_s of numbers for its split s that all
    components share. The shift depends on the tree and on u alone, and on the components not at all, so the density
    of shifted lengths under a component is that of the lengths before: log q_a(log b | topology, u) is that of
    log b - r v, and its determinant is 1.

    Arguments:
        n_parameters: d.
        n_components: A, or 1 for one distribution that all components share.
        n_splits: rows of the shifts.

    Attributes:
        location: (A, d) m.
        factor: (A, d, d): L below the diagonal, its logarithm on it; what is above is not used.
        response: (n_splits, d) r.
        centre: (d,); scale: (d, d) lower triangular.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, *, n_parameters: int, n_components: int, n_splits: int) -> None:
        super().__init__()
        d = n_parameters
        self.location = nn.Parameter(torch.zeros(n_components, d, dtype=torch.float64))
        self.factor = nn.Parameter(torch.zeros(n_components, d, d, dtype=torch.float64))
        self.response = RowTable(torch.zeros(n_splits, d, dtype=torch.float64), _ORDER)
        self.register_buffer("centre", torch.zeros(d, dtype=torch.float64))
        self.register_buffer("scale", torch.eye(d, dtype=torch.float64))

    @property
    def n_parameters(self) -> int:
        """d."""
        return self.location.shape[1]

    @property
    def n_distributions(self) -> int:
        """A, or 1 where all components share one."""
        return self.location.shape[0]

    @torch.no_grad()
    def start_fitted(self, centre: np.ndarray, scale: np.ndarray, response: np.ndarray) -> None:
        """Start from a Laplace approximation.

        Arguments:
            centre: (d,) mode of the coordinates.
            scale: (d, d) lower triangular factor of their covariance.
            response: (n_splits, d) what a unit of v adds to the log length of an edge.
        """
        self.location.zero_()
        self.factor.zero_()
        self.centre.copy_(torch.from_numpy(centre))
        self.scale.copy_(torch.from_numpy(scale))
        self.response.copy_(torch.from_numpy(response))

    def draw(
        self, component_of_tree: Tensor, components: Tensor, generator: torch.Generator, *, path: bool = False
    ) -> ParameterDraws:
        """Draw the parameters of each tree from its own component; evaluate them under all of `components`.

        Arguments:
            component_of_tree: (T,) int64.
            components: (M,) int64.
            generator: source of the (T, d) normal noise.
            path: leave the derivative of the densities in their own parameters out, see `PhyloProblem`.
        """
        noise = standard_normal(len(component_of_tree), self.n_parameters, generator).to(self.location.device)
        whitened = drawn(noise, self.location[component_of_tree], lower_factors(self.factor)[component_of_tree])
        return ParameterDraws(
            whitened=whitened,
            coordinates=self.coordinates(whitened),
            log_q=self._log_prob(whitened, components, frozen=path),
        )

    def coordinates(self, whitened: Tensor) -> Tensor:
        """(T, d) u of v (T, d)."""
        return self.centre + whitened @ self.scale.T

    def whitened(self, coordinates: Tensor) -> Tensor:
        """(T, d) v of u (T, d)."""
        return torch.linalg.solve_triangular(self.scale, (coordinates - self.centre).T, upper=False).T

    def log_prob(self, coordinates: Tensor, components: Tensor) -> Tensor:
        """(M, T) log-density of coordinates (T, d) under each component of (M,)."""
        return self._log_prob(self.whitened(coordinates), components)

    def shift(self, split_ids: np.ndarray | Tensor, whitened: Tensor) -> Tensor:
        """(T, E) what parameters v (T, d) add to log lengths; split_ids (T, E) of the edges, a tensor on a device."""
        if isinstance(split_ids, Tensor):
            return shifts(self.response, split_ids, whitened)
        return _Shift.apply(self.response, whitened, np.ascontiguousarray(split_ids))  # type: ignore[return-value]

    def _log_prob(self, whitened: Tensor, components: Tensor, *, frozen: bool = False) -> Tensor:
        location, factors = self.location[components], lower_factors(self.factor)[components]
        if frozen:
            location, factors = location.detach(), factors.detach()
        return normal_log_prob(whitened, location, factors) - self.scale.diagonal().log().sum()


class JoinedPosterior(nn.Module):
    """The parameter posteriors of several mixtures as one, for trees on a device: their distributions in a row.

    Arguments:
        posteriors: those of each model.
        location, factor, response: their parameters, one model after another, on the device.
        row_of_component: for each model, (A,) which of its distributions each component of its mixture has.
    """

    def __init__(
        self,
        posteriors: Sequence[ParameterPosterior],
        location: Tensor,
        factor: Tensor,
        response: Tensor,
        row_of_component: Sequence[Tensor],
    ) -> None:
        super().__init__()
        self.location, self.factor, self.response = location, factor, response
        device = location.device
        self._centre = torch.stack([one.centre for one in posteriors]).to(device)
        self._scale = torch.stack([one.scale for one in posteriors]).to(device)
        self._log_scale = self._scale.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        rows, model, first = [], [], 0
        for i, (one, row) in enumerate(zip(posteriors, row_of_component, strict=True)):
            rows.append(first + row)
            model.append(torch.full_like(row, i))
            first += one.n_distributions
        self._row, self._model = torch.cat(rows).to(device), torch.cat(model).to(device)

    def draw(
        self, component_of_tree: Tensor, components: Pairs, generator: JoinedGenerators, *, path: bool = False
    ) -> ParameterDraws:
        """As `ParameterPosterior.draw`, with components counted through all mixtures, evaluated in pairs."""
        row, model = self._row[component_of_tree], self._model[component_of_tree]
        noise = standard_normal(len(row), self.location.shape[1], generator).to(self.location.device)
        factors = lower_factors(self.factor)
        whitened = drawn(noise, self.location[row], factors[row])
        which = self._row[components.component]
        location, factors = self.location[which], factors[which]
        if path:
            location, factors = location.detach(), factors.detach()
        log_q = normal_log_prob(whitened[components.tree][:, None], location, factors)[:, 0]
        return ParameterDraws(
            whitened=whitened,
            coordinates=drawn(whitened, self._centre[model], self._scale[model]),
            log_q=log_q - self._log_scale[self._model[components.component]],
        )

    def shift(self, split_ids: Tensor, whitened: Tensor) -> Tensor:
        """As `ParameterPosterior.shift`; splits are counted through all models."""
        return shifts(self.response, split_ids, whitened)


def lower_factors(factor: Tensor) -> Tensor:
    """(A, d, d) L from its entries below the diagonal and the logarithms of those on it."""
    return factor.tril(-1) + torch.diag_embed(factor.diagonal(dim1=1, dim2=2).exp())


def drawn(noise: Tensor, location: Tensor, factors: Tensor) -> Tensor:
    """(T, d) location + L noise, each of T by its own location (T, d) and factor (T, d, d)."""
    return location + (factors @ noise[:, :, None])[:, :, 0]


def normal_log_prob(values: Tensor, location: Tensor, factors: Tensor) -> Tensor:
    """(M, T) log-densities of values (T, d), or (M, T, d), under M normals with locations (M, d), factors (M, d, d)."""
    away = (values - location[:, None, :]).transpose(1, 2)  # (M, d, T)
    z = torch.linalg.solve_triangular(factors, away, upper=False)
    log_det = factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    return -0.5 * z.square().sum(dim=1) - log_det[:, None] - 0.5 * location.shape[1] * math.log(2 * math.pi)


def shifts(rows: Tensor, split_ids: Tensor, whitened: Tensor) -> Tensor:
    """(T, E) sums of rows (n_splits, d) at splits (T, E) times v (T, d)."""
    return (rows[split_ids] * whitened[:, None]).sum(dim=2)


class _Shift(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, whitened: Tensor, ids: np.ndarray) -> Tensor:  # type: ignore[override]
        values = np.ascontiguousarray(whitened.detach().numpy())
        out = np.empty(ids.shape)
        response_kernels.forward(ids, rows_of(table, _ORDER), values, out)
        ctx.state = table, values, ids
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        table, values, ids = ctx.state
        target = RowBackward(table, _ORDER)
        gradient = target.begin()
        of_whitened = np.zeros_like(values)
        upstream = np.ascontiguousarray(grad.numpy())
        response_kernels.backward(ids, target.rows, values, upstream, gradient.arrays, of_whitened)
        return target.finish(gradient), torch.from_numpy(of_whitened), None
