"""Branch lengths of many topologies optimised at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch

START = -4.0  # log branch length that every edge starts from unless told better
_MEMORY = 8
_ARMIJO = 1e-4
_SHORTEST_STEP = 2.0**-20
_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class OptimisedLengths:
    """Modes of the posterior density of the log branch lengths, one per topology.

    Arguments:
        log_lengths: (T, E) mode in x = log b.
        log_density: (T,) log p(data, x | topology) there, the Jacobian of x = log b included, topology prior not.
        gradient_norm: (T,) largest absolute derivative left, in nats per unit of x.
    """

    log_lengths: np.ndarray
    log_density: np.ndarray
    gradient_norm: np.ndarray


def log_density(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T,) log density in x = log b, (T, E) its gradient: log-likelihood + log prior(b) + sum(x)."""
    at = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_()
    lengths = at.exp()
    value = model.log_likelihood(lengths, topologies) + model.branch_prior.log_prob(lengths) + at.sum(dim=1)
    (gradient,) = torch.autograd.grad(value.sum(), at)
    return value.detach().numpy(), gradient.numpy()


def optimise_lengths(
    model: PhyloModel,
    topologies: TopologyBatch,
    *,
    start: np.ndarray | None = None,
    tolerance: float = 1e-3,
    max_iterations: int = 200,
    on_progress: Callable[[int, int], None] | None = None,
) -> OptimisedLengths:
    """Maximise `log_density` for every topology by L-BFGS, all topologies in one batch.

    Each topology has its own step sizes and stops on its own: when no derivative exceeds `tolerance`, or when no
    step improves the density any more (rounding). In x = log b the exponential prior keeps every mode finite, also
    for edges whose maximum-likelihood length is zero.

    Arguments:
        model: the target.
        topologies: T topologies.
        start: (T, E) first x; `START` everywhere if None.
        tolerance: see above, in nats per unit of x; the error of the density is about its square.
        max_iterations: a bound on the steps.
        on_progress: called with (topologies done, T).
    """
    n_trees, n_edges = topologies.n_trees, topologies.n_edges
    x = np.full((n_trees, n_edges), START) if start is None else start.astype(np.float64, copy=True)
    value = np.empty(n_trees)
    norm = np.empty(n_trees)
    for first in range(0, n_trees, _CHUNK):
        part = slice(first, min(first + _CHUNK, n_trees))
        x[part], value[part], norm[part] = _lbfgs(model, topologies[part], x[part], tolerance, max_iterations)
        if on_progress is not None:
            on_progress(part.stop, n_trees)
    return OptimisedLengths(log_lengths=x, log_density=value, gradient_norm=norm)


def _lbfgs(
    model: PhyloModel, topologies: TopologyBatch, x: np.ndarray, tolerance: float, max_iterations: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = x.copy()
    value, gradient = log_density(model, topologies, x)
    n_trees = len(x)
    steps = np.zeros((_MEMORY, *x.shape))
    changes = np.zeros((_MEMORY, *x.shape))
    curvature = np.zeros((_MEMORY, n_trees))  # 1 / (step . change); 0 where a slot is not used
    active = np.abs(gradient).max(axis=1) > tolerance
    for _ in range(max_iterations):
        rows = np.flatnonzero(active)
        if not len(rows):
            break
        direction = _two_loop(gradient[rows], steps[:, rows], changes[:, rows], curvature[:, rows])
        slope = (direction * gradient[rows]).sum(axis=1)
        uphill = slope > 0
        direction[~uphill] = gradient[rows[~uphill]]
        slope[~uphill] = (gradient[rows[~uphill]] ** 2).sum(axis=1)
        # no edge changes by more than a factor e^2 in one step
        scale = np.minimum(1.0, 2.0 / np.abs(direction).max(axis=1))
        new_x, new_value, new_gradient, moved = _line_search(
            model, topologies[rows], x[rows], value[rows], gradient[rows], direction, slope, scale
        )
        step = new_x - x[rows]
        change = gradient[rows] - new_gradient  # of the negative density
        product = (step * change).sum(axis=1)
        steps = np.roll(steps, 1, axis=0)
        changes = np.roll(changes, 1, axis=0)
        curvature = np.roll(curvature, 1, axis=0)
        steps[0], changes[0], curvature[0] = 0.0, 0.0, 0.0
        steps[0, rows], changes[0, rows] = step, change
        good = moved & (product > 1e-12)
        curvature[0, rows[good]] = 1.0 / product[good]
        x[rows], value[rows], gradient[rows] = new_x, new_value, new_gradient
        active[rows] = moved & (np.abs(new_gradient).max(axis=1) > tolerance)
    return x, value, np.abs(gradient).max(axis=1)


def _two_loop(gradient: np.ndarray, steps: np.ndarray, changes: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """L-BFGS ascent directions of all rows (Nocedal and Wright 2006, algorithm 7.4)."""
    q = gradient.copy()
    alphas = []
    for s, y, rho in zip(steps, changes, curvature, strict=True):
        alpha = rho * (s * q).sum(axis=1)
        q -= alpha[:, None] * y
        alphas.append(alpha)
    newest = curvature[0] > 0
    squared = np.where(newest, (changes[0] ** 2).sum(axis=1), 1.0)
    # before any curvature is known, a step in which the largest derivative moves its edge by one unit
    first = 1.0 / np.maximum(np.abs(gradient).max(axis=1), 1.0)
    gamma = np.where(newest, 1.0 / np.maximum(curvature[0] * squared, 1e-300), first)
    q *= gamma[:, None]
    for s, y, rho, alpha in zip(steps[::-1], changes[::-1], curvature[::-1], alphas[::-1], strict=True):
        beta = rho * (y * q).sum(axis=1)
        q += (alpha - beta)[:, None] * s
    return q


def _line_search(
    model: PhyloModel,
    topologies: TopologyBatch,
    x: np.ndarray,
    value: np.ndarray,
    gradient: np.ndarray,
    direction: np.ndarray,
    slope: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Halve each row's step until it improves enough (Armijo); rows that never do stay where they are."""
    new_x, new_value, new_gradient = x.copy(), value.copy(), gradient.copy()
    moved = np.zeros(len(x), dtype=bool)
    todo = np.arange(len(x))
    while len(todo):
        trial = x[todo] + scale[todo, None] * direction[todo]
        trial_value, trial_gradient = log_density(model, topologies[todo], trial)
        enough = trial_value >= value[todo] + _ARMIJO * scale[todo] * slope[todo]
        accepted = todo[enough]
        new_x[accepted], new_value[accepted] = trial[enough], trial_value[enough]
        new_gradient[accepted] = trial_gradient[enough]
        moved[accepted] = True
        todo = todo[~enough]
        scale[todo] *= 0.5
        todo = todo[scale[todo] > _SHORTEST_STEP]
    return new_x, new_value, new_gradient, moved
