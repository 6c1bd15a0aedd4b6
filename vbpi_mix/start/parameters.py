"""Start of a fit with unknown model parameters: their optimum, and Laplace's approximation around it.

Growth weighs topologies under parameters that all of them share, the optimum on a good topology. Around the optimum the
log density of log lengths x and coordinates u is nearly quadratic on each topology, with the Hessian H: given x
optimal, u has precision -(H_uu - H_ux H_xx^-1 H_xu), and x follows u by -H_xx^-1 H_xu.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize

from vbpi_mix.model import PhyloModel
from vbpi_mix.model.length_density import negative_hessian
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.start.laplace import laplace_weights
from vbpi_mix.start.lengths import optimise_lengths
from vbpi_mix.start.weights import WeightedTopologies, weighted_topologies
from vbpi_mix.support import SubsplitSupport, encode

_STEP = 1e-3  # of a coordinate, in differences of gradients
_MOST_STEPS = 500
_SMALLEST_PRECISION = 0.05  # a coordinate wider than 4.5 units is one that nothing is known of
_MOST_TOPOLOGIES = 32
_SMALLEST_SHARE = 1e-3
_SETTLED = 0.25  # standard deviations
_GIVE_UP = 25.0  # nats below the best, as for candidates
_APART = 2.0  # standard deviations between two modes
_SMALLEST_MODE = 0.005  # weight of a mode that components start from
_CANDIDATES = 64  # whose lengths are optimised to find a good one


@dataclass(frozen=True, kw_only=True)
class ParameterFit:
    """Laplace's approximation of the parameters' posterior.

    Arguments:
        centre: (d,) mean of the coordinates.
        covariance: (d, d).
        response: (n_splits, d) change of a split's log length with the coordinates.
        others: further modes, on the heaviest topology; weights relative to that of the first mode.
    """

    centre: np.ndarray
    covariance: np.ndarray
    response: np.ndarray
    others: tuple["Mode", ...] = ()

    @property
    def scale(self) -> np.ndarray:
        """(d, d) lower triangular factor of the covariance."""
        return np.linalg.cholesky(self.covariance)

    @property
    def other_share(self) -> float:
        """Share of the posterior in all modes but the first."""
        others = sum(mode.weight for mode in self.others)
        return others / (1.0 + others)


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Laplace's approximation around a mode of the parameters' posterior on one topology.

    Arguments:
        centre: (d,) the mode.
        covariance: (d, d).
        log_weight: log marginal likelihood, up to a constant.
    """

    centre: np.ndarray
    covariance: np.ndarray
    log_weight: float

    @property
    def weight(self) -> float:
        """Weight of the mode, at most e^50."""
        return float(np.exp(min(self.log_weight, 50.0)))

    def distance(self, coordinates: np.ndarray) -> float:
        """Distance of other coordinates (d,), in standard deviations of this mode."""
        away = self.centre - coordinates
        return float(np.sqrt(away @ np.linalg.solve(self.covariance, away)))


def optimise_parameters(
    model: PhyloModel, topology: TopologyBatch, log_lengths: np.ndarray, coordinates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Maximise the joint density in log lengths and coordinates on one topology, by L-BFGS.

    Arguments:
        model: model with d parameters.
        topology: a single one.
        log_lengths: (E,) to start from.
        coordinates: (d,) to start from.

    Returns:
        (E,) log lengths and (d,) coordinates.
    """
    n_edges = len(log_lengths)
    # an edge behaves like a Poisson count: in these units the curvature is about 1
    width = 1.0 / np.sqrt(1.0 + model.n_sites * np.exp(log_lengths))
    units = np.concatenate([width, np.full(len(coordinates), 0.1)])
    first = np.concatenate([log_lengths, coordinates])

    def loss(z: np.ndarray) -> tuple[float, np.ndarray]:
        at = first + units * z
        value, of_lengths, of_coordinates = joint_density(model, topology, at[None, :n_edges], at[None, n_edges:])
        return -float(value[0]), -units * np.concatenate([of_lengths[0], of_coordinates[0]])

    found = minimize(loss, np.zeros_like(first), jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS})
    best = first + units * found.x
    return best[:n_edges], best[n_edges:]


@torch.enable_grad()
def joint_density(
    model: PhyloModel, topologies: TopologyBatch, log_lengths: np.ndarray, coordinates: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T,) log density in log lengths x (T, E) and coordinates u (T, d), and its derivatives (T, E), (T, d)."""
    x = torch.from_numpy(np.ascontiguousarray(log_lengths)).requires_grad_()
    u = torch.from_numpy(np.ascontiguousarray(coordinates)).requires_grad_()
    value = model.log_joint(x.exp(), topologies, u) + x.sum(dim=1)
    of_x, of_u = torch.autograd.grad(value.sum(), (x, u))
    return value.detach().numpy(), of_x.numpy(), of_u.numpy()


def find_parameters(model: PhyloModel, topologies: TopologyBatch) -> np.ndarray:
    """(d,) optimal coordinates on the best of some candidate topologies, of the heaviest mode that searches found.

    The best topology is chosen twice: under the coordinates that a search begins at, and under those it found.
    """
    few = topologies[np.arange(min(_CANDIDATES, topologies.n_trees))]
    found = [_search(model, few, start.numpy()) for start in model.parameters.starts()]
    if len(found) > 1:
        return found[int(np.argmax([_mode_at(model, *place).log_weight for place in found]))][2]
    return found[0][2]


def _search(
    model: PhyloModel, candidates: TopologyBatch, coordinates: np.ndarray
) -> tuple[TopologyBatch, np.ndarray, np.ndarray]:
    """Topology, (E,) log lengths and (d,) coordinates that a search from given coordinates ends at."""
    topology, x = candidates[[0]], np.empty(0)
    for _ in range(2):
        modes = optimise_lengths(model.at(torch.from_numpy(coordinates)), candidates, tolerance=0.1)
        best = int(modes.log_density.argmax())
        topology = candidates[[best]]
        x, coordinates = optimise_parameters(model, topology, modes.log_lengths[best], coordinates)
    return topology, x, coordinates


def find_modes(
    model: PhyloModel, topology: TopologyBatch, log_lengths: np.ndarray, *, known: np.ndarray | None = None
) -> tuple[Mode, ...]:
    """Modes of the parameters' posterior on a topology, apart from each other, that searches from every start end at.

    Arguments:
        model: model with d parameters.
        topology: a single one.
        log_lengths: (E,) to start from.
        known: (d,) a mode that is not wanted again.
    """
    apart_from = [] if known is None else [known]
    found = []
    for start in model.parameters.starts():
        lengths, centre = optimise_parameters(model, topology, log_lengths, start.numpy())
        mode = _mode_at(model, topology, lengths, centre)
        if all(mode.distance(other) >= _APART for other in apart_from):
            apart_from.append(centre)
            found.append(mode)
    return tuple(found)


def _mode_at(model: PhyloModel, topology: TopologyBatch, log_lengths: np.ndarray, coordinates: np.ndarray) -> Mode:
    """Laplace's approximation at log lengths (E,) and coordinates (d,) that a search ended at."""
    around = _around(model, topology, log_lengths[None], coordinates)
    return Mode(centre=coordinates, covariance=around.covariance[0], log_weight=float(around.log_evidence[0]))


def _other_modes(
    model: PhyloModel, topology: TopologyBatch, x: np.ndarray, coordinates: np.ndarray, log_evidence: float
) -> tuple[Mode, ...]:
    """Modes besides the one that is known, whose log marginal likelihood is given, if they weigh anything beside it."""
    if len(model.parameters.starts()) == 1:
        return ()
    found = find_modes(model, topology, x, known=coordinates)
    relative = [replace(mode, log_weight=mode.log_weight - log_evidence) for mode in found]
    return tuple(mode for mode in relative if mode.weight >= _SMALLEST_MODE)


def settle(model: PhyloModel, weighted: WeightedTopologies, coordinates: np.ndarray) -> WeightedTopologies:
    """Weighted topologies under the optimum of the parameters on the heaviest of them.

    Where the optimum moved by a quarter of a standard deviation or less, the weights stay as they are. Else lengths
    and evidences are computed anew, and weights change by the evidences' ratio.

    Arguments:
        model: model with d parameters.
        weighted: topologies weighed under `coordinates`.
        coordinates: (d,).
    """
    top = weighted.sample.topologies[[0]]
    lengths, found = optimise_parameters(model, top, weighted.modes.log_lengths[0], coordinates)
    if _mode_at(model, top, lengths, found).distance(coordinates) <= _SETTLED:
        return replace(weighted, coordinates=coordinates)
    fixed, sample = model.at(torch.from_numpy(found)), weighted.sample
    modes = optimise_lengths(fixed, sample.topologies, start=weighted.modes.log_lengths, give_up=_GIVE_UP)
    laplace = laplace_weights(fixed, sample.topologies, modes)
    ratio = laplace.log_weight - weighted.laplace.log_weight
    with np.errstate(divide="ignore"):
        log_weight = np.log(sample.weights) + ratio
    again = weighted_topologies(sample.taxa, sample.topologies, modes, laplace, log_weight)
    return replace(again, coordinates=found)


def fit_parameters(
    model: PhyloModel, weighted: WeightedTopologies, support: SubsplitSupport, coordinates: np.ndarray
) -> ParameterFit:
    """Laplace's approximation, averaged over the heaviest topologies.

    Arguments:
        model: model with d parameters.
        weighted: topologies with log lengths optimal under `coordinates`.
        support: numbers the splits.
        coordinates: (d,).
    """
    shares = weighted.sample.probabilities()
    heavy = np.flatnonzero(shares >= _SMALLEST_SHARE * shares[0])[:_MOST_TOPOLOGIES]
    topologies, x = weighted.sample.topologies[heavy], weighted.modes.log_lengths[heavy]
    share = shares[heavy] / shares[heavy].sum()
    around = _around(model, topologies, x, coordinates)
    centre = share @ around.mode
    away = around.mode - centre
    covariance = np.einsum("t,tij->ij", share, around.covariance) + np.einsum("t,ti,tj->ij", share, away, away)
    ids = encode(support, topologies).split_ids
    response = np.zeros((support.n_splits, len(coordinates)))
    total = np.zeros(support.n_splits)
    np.add.at(response, ids.reshape(-1), (share[:, None, None] * around.response).reshape(-1, len(coordinates)))
    np.add.at(total, ids.reshape(-1), np.repeat(share, ids.shape[1]))
    seen = total > 0
    response[seen] /= total[seen, None]
    inner = seen.copy()
    inner[: support.n_taxa] = False
    # splits of light topologies: inner branches, which follow the parameters as others do
    response[~seen] = response[inner if inner.any() else seen].mean(axis=0)
    return ParameterFit(
        centre=centre,
        covariance=0.5 * (covariance + covariance.T),
        response=response,
        others=_other_modes(model, topologies[[0]], x[0], coordinates, float(around.log_evidence[0])),
    )


@dataclass(frozen=True, kw_only=True)
class _Around:
    """Second-order expansions of the log density on T topologies, in log lengths and coordinates.

    Arguments:
        mode: (T, d) of the coordinates, one Newton step away.
        covariance: (T, d, d) of the coordinates.
        response: (T, E, d) change of the optimal log lengths with the coordinates.
        log_evidence: (T,) Laplace's approximation of the log marginal likelihood, up to a constant.
    """

    mode: np.ndarray
    covariance: np.ndarray
    response: np.ndarray
    log_evidence: np.ndarray


def _around(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray, coordinates: np.ndarray) -> _Around:
    """Expand around log lengths (T, E) that are optimal under coordinates (d,)."""
    n_trees, d = topologies.n_trees, len(coordinates)
    fixed = model.at(torch.from_numpy(coordinates))
    of_lengths = negative_hessian(fixed, topologies, x)
    cross, own = np.empty((n_trees, x.shape[1], d)), np.empty((n_trees, d, d))
    at = np.tile(coordinates, (n_trees, 1))
    density, _, slope = joint_density(model, topologies, x, at)
    for j in range(d):
        sides = []
        for sign in (1.0, -1.0):
            moved = at.copy()
            moved[:, j] += sign * _STEP
            sides.append(joint_density(model, topologies, x, moved)[1:])
        cross[:, :, j] = (sides[0][0] - sides[1][0]) / (2 * _STEP)
        own[:, :, j] = (sides[0][1] - sides[1][1]) / (2 * _STEP)
    response = np.linalg.solve(of_lengths, cross)
    precision = -own - cross.transpose(0, 2, 1) @ response
    values, vectors = np.linalg.eigh(0.5 * (precision + precision.transpose(0, 2, 1)))
    values = np.maximum(values, _SMALLEST_PRECISION)
    covariance = (vectors / values[:, None, :]) @ vectors.transpose(0, 2, 1)
    step = np.clip((covariance @ slope[:, :, None])[:, :, 0], -1.0, 1.0)
    return _Around(
        mode=coordinates + step,
        covariance=covariance,
        response=response,
        log_evidence=density + 0.5 * (np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(of_lengths)[1]),
    )
