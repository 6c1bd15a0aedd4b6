"""Branch lengths of many topologies optimised at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vbpi_mix.io.kept_results import Arrays, KeptResults
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.length_density import log_density
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.start.length_memory import START, length_memory

BATCH, BATCH_ON_GPU = 512, 8192  # topologies
_MEMORY = 8
_ARMIJO = 1e-4
_SHORTEST_STEP = 2.0**-20
_LARGEST_CHANGE = 2.0  # of a log length in one step
_FIRST_CHUNK = 64  # started without knowledge, to be learned from
# a topology is given up only if several times the gain that its quadratic model promises would not save it
_CAUTION, _FEWEST_STEPS = 8.0, 3


@dataclass(frozen=True, kw_only=True)
class OptimisedLengths:
    """Modes of the posterior density of the log branch lengths, one per topology.

    Arguments:
        log_lengths: (T, E) mode in x = log b.
        log_density: (T,) log p(data, x | topology) there, the Jacobian of x = log b included, topology prior not.
        remaining_gain: (T,) nats that the quadratic model promises for another step: how far from the mode it is.
        n_evaluations: likelihood-and-gradient evaluations spent, over all topologies.
    """

    log_lengths: np.ndarray
    log_density: np.ndarray
    remaining_gain: np.ndarray
    n_evaluations: int

    def take(self, index: np.ndarray) -> "OptimisedLengths":
        """Values of some of the topologies."""
        return OptimisedLengths(
            log_lengths=self.log_lengths[index],
            log_density=self.log_density[index],
            remaining_gain=self.remaining_gain[index],
            n_evaluations=self.n_evaluations,
        )


def optimise_lengths(
    model: PhyloModel,
    topologies: TopologyBatch,
    *,
    start: np.ndarray | None = None,
    tolerance: float = 1e-4,
    give_up: float = np.inf,
    best: float = -np.inf,
    max_iterations: int = 200,
    batch_size: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    tick: Callable[[], None] | None = None,
    results: KeptResults | None = None,
) -> OptimisedLengths:
    """Maximise `log_density` for every topology by preconditioned L-BFGS, many topologies in one batch.

    Each topology has its own step sizes and stops on its own: when its quadratic model promises less than
    `tolerance`, or when no step improves the density any more (rounding). In x = log b the exponential prior keeps
    every mode finite, also for edges whose maximum-likelihood length is zero. Without `start` the first topologies
    begin at one length for all edges, the later ones at the mean optimised log length of each split so far.

    Arguments:
        model: the target.
        topologies: T topologies, likely ones first if they are known.
        start: (T, E) first x.
        tolerance: see above, nats.
        give_up: topologies that will clearly end more nats than this below the best one are left unfinished; what
            is reported of them is where they stopped.
        best: log density of a topology that is known already, for `give_up`.
        max_iterations: a bound on the steps.
        batch_size: Topologies in one batch; 512, or more on a GPU, if not given. Without `start` the first batch has
            fewer.
        on_progress: called with (topologies done, T).
        tick: called between steps; may raise, see `clock`.
        results: store of optimised batches of topologies, under the same model.
    """
    results = KeptResults() if results is None else results
    if batch_size is None:
        batch_size = BATCH if model.device.type == "cpu" else BATCH_ON_GPU
    n_trees, n_edges = topologies.n_trees, topologies.n_edges
    x = np.full((n_trees, n_edges), START) if start is None else start.astype(np.float64, copy=True)
    value, gain = np.empty(n_trees), np.empty(n_trees)
    n_evaluations, first = 0, 0
    learn_at = _FIRST_CHUNK
    while first < n_trees:
        part = slice(first, min(first + (_FIRST_CHUNK if start is None and first == 0 else batch_size), n_trees))

        def optimise(some: TopologyBatch = topologies[part], begin: np.ndarray = x[part], best: float = best) -> Arrays:
            batch = _Batch(model, some, begin)
            batch.run(tolerance, give_up, best, max_iterations, tick)
            return batch.x, batch.value, batch.gain, np.array(batch.n_evaluations)

        how = np.array([tolerance, give_up, best, max_iterations])
        x[part], value[part], gain[part], spent = results.of(
            "lengths", (topologies[part].children, x[part], how), optimise
        )
        n_evaluations += int(spent)
        best = max(best, float(value[part].max()))
        first = part.stop
        if start is None and first >= learn_at and first < n_trees:
            good = np.flatnonzero(gain[:first] < 1.0)
            learn_at = 2 * first
            if len(good):
                x[first:] = length_memory(topologies[good], x[good], value[good]).lengths(topologies[first:])
        if on_progress is not None:
            on_progress(first, n_trees)
    return OptimisedLengths(log_lengths=x, log_density=value, remaining_gain=gain, n_evaluations=n_evaluations)


class _Batch:
    """L-BFGS on some topologies; arrays hold the unfinished ones, results those that are done."""

    def __init__(self, model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> None:
        self.model = model
        self.topologies = topologies
        self.x = x.copy()
        self.value, self.gradient = log_density(model, topologies, self.x)
        self.gain = np.full(len(x), np.inf)
        self.n_evaluations = len(x)
        # an edge of length b behaves much like a Poisson count: of sites, and of the prior's rate, times b
        self.count = model.n_sites + model.branch_prior.mean_rate(x.shape[1])

    def run(
        self,
        tolerance: float,
        give_up: float,
        best: float,
        max_iterations: int,
        tick: Callable[[], None] | None = None,
    ) -> None:
        rows = np.arange(len(self.x))
        history: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # steps, changes, curvatures of `rows`
        for iteration in range(max_iterations):
            if tick is not None:
                tick()
            gradient = self.gradient[rows]
            direction = _two_loop(gradient, history, self._precondition(rows))
            slope = (direction * gradient).sum(axis=1)
            self.gain[rows] = 0.5 * slope
            going = slope > 2 * tolerance
            if iteration >= _FEWEST_STEPS:
                best = max(best, float(self.value.max()))
                going &= self.value[rows] + _CAUTION * 0.5 * slope >= best - give_up
            rows, direction, slope = rows[going], direction[going], slope[going]
            if not len(rows):
                break
            history = [(s[going], y[going], rho[going]) for s, y, rho in history]
            old_x, old_gradient = self.x[rows], self.gradient[rows]
            moved = self._line_search(rows, direction, slope)
            step, change = self.x[rows] - old_x, old_gradient - self.gradient[rows]
            product = (step * change).sum(axis=1)
            good = moved & (product > 1e-12)
            rho = np.where(good, 1.0 / np.where(good, product, 1.0), 0.0)
            history = [(step, change, rho), *history[: _MEMORY - 1]]
            history = [(s[moved], y[moved], r[moved]) for s, y, r in history]
            rows = rows[moved]

    def _precondition(self, rows: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + self.count * np.exp(self.x[rows]))

    def _line_search(self, rows: np.ndarray, direction: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Halve each row's step until it improves enough (Armijo); rows that never do stay where they are."""
        scale = np.minimum(1.0, _LARGEST_CHANGE / np.abs(direction).max(axis=1))
        moved = np.zeros(len(rows), dtype=bool)
        todo = np.arange(len(rows))
        while len(todo):
            at = rows[todo]
            trial = self.x[at] + scale[todo, None] * direction[todo]
            value, gradient = log_density(self.model, self.topologies[at], trial)
            self.n_evaluations += len(todo)
            enough = value >= self.value[at] + _ARMIJO * scale[todo] * slope[todo]
            accepted = at[enough]
            self.x[accepted], self.value[accepted] = trial[enough], value[enough]
            self.gradient[accepted] = gradient[enough]
            moved[todo[enough]] = True
            todo = todo[~enough]
            scale[todo] *= 0.5
            todo = todo[scale[todo] > _SHORTEST_STEP]
        return moved


def _two_loop(
    gradient: np.ndarray, history: list[tuple[np.ndarray, np.ndarray, np.ndarray]], inverse: np.ndarray
) -> np.ndarray:
    """L-BFGS ascent directions of all rows (Nocedal and Wright 2006, algorithm 7.4).

    Arguments:
        gradient: (T, E).
        history: newest first, (step (T, E), change of the negative gradient (T, E), 1 / their product (T,), 0 where
            the pair is not used).
        inverse: (T, E) diagonal of the first guess of the inverse Hessian.
    """
    q = gradient.copy()
    alphas = []
    for s, y, rho in history:
        alpha = rho * (s * q).sum(axis=1)
        q -= alpha[:, None] * y
        alphas.append(alpha)
    q *= inverse
    for (s, y, rho), alpha in zip(history[::-1], alphas[::-1], strict=True):
        beta = rho * (y * q).sum(axis=1)
        q += (alpha - beta)[:, None] * s
    return q
