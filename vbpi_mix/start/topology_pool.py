"""A growing set of distinct topologies, each optimised and weighed once."""

from collections.abc import Callable
from functools import partial

import numpy as np

from vbpi_mix.clock import Clock
from vbpi_mix.io.kept_results import KeptResults
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.start.laplace import LaplaceWeights, counted_correction, curvature
from vbpi_mix.start.length_memory import LengthMemory, length_memory
from vbpi_mix.start.lengths import OptimisedLengths, optimise_lengths

GIVE_UP = 25.0  # nats below the best, beyond which a topology's weight does not matter
_HESSIANS_AT_ONCE = 64
_MOST_REMEMBERED = 4000  # topologies that first guesses of lengths are taken from


class TopologyPool:
    """Topologies with optimised branch lengths and approximate marginal likelihood.

    Arguments:
        model: likelihood and priors.
        clock: asked between steps.
        results: store of computed results.
    """

    def __init__(self, model: PhyloModel, clock: Clock | None = None, results: KeptResults | None = None) -> None:
        self.clock = clock or Clock()
        self.results = KeptResults() if results is None else results
        n = model.n_taxa
        self.model = model
        self.topologies = TopologyBatch(np.empty((0, n - 2, 2), dtype=np.int32))
        self.log_lengths = np.empty((0, 2 * n - 3))
        self.log_density = np.empty(0)
        self.remaining_gain = np.empty(0)
        self.n_evaluations = 0
        self._correction = np.empty(0)  # NaN where no Hessian was computed
        self._log_precision = np.empty((0, 2 * n - 3))
        self._counted = np.empty(0)
        self._position: dict[bytes, int] = {}
        self._memory: LengthMemory | None = None
        self._remembered = 0

    def __len__(self) -> int:
        return len(self.log_density)

    def find(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) position of each topology in the pool, -1 for those it does not hold."""
        return np.array([self._position.get(row.tobytes(), -1) for row in topologies.children], dtype=np.int64)

    def allowed(self, topologies: TopologyBatch) -> TopologyBatch:
        """Topologies that satisfy the model's constraints."""
        return topologies if self.model.constraints is None else topologies[self.model.allows(topologies)]

    def add(
        self,
        topologies: TopologyBatch,
        *,
        start: np.ndarray | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Enter topologies, optimising the new ones; (T,) the position of each in the pool.

        Arguments:
            topologies: any, also equal ones and known ones.
            start: (T, E) log lengths to start from; without, what the pool remembers of the splits.
            on_progress: called with (topologies optimised, their number).

        Raises:
            OutOfTimeError: by the clock; nothing has entered then.
        """
        distinct, position = topologies.unique()
        unknown = self.find(distinct) < 0
        new = distinct[unknown]
        if new.n_trees:
            if start is not None:
                first = np.unique(position, return_index=True)[1]
                start = start[first][unknown]
            elif self._memory is not None:
                start = self._memory.lengths(new)
            best = self.log_density.max(initial=-np.inf)
            modes = optimise_lengths(
                self.model,
                new,
                start=start,
                give_up=GIVE_UP,
                best=best,
                on_progress=on_progress,
                tick=self.clock.tick,
                results=self.results,
            )
            self._append(new, modes)
        return self.find(distinct)[position]

    def _append(self, new: TopologyBatch, modes: OptimisedLengths) -> None:
        for i, row in enumerate(new.children):
            self._position[row.tobytes()] = len(self) + i
        unknown = np.full(new.n_trees, np.nan)
        self.topologies = TopologyBatch(np.concatenate([self.topologies.children, new.children]))
        self.log_lengths = np.concatenate([self.log_lengths, modes.log_lengths])
        self.log_density = np.concatenate([self.log_density, modes.log_density])
        self.remaining_gain = np.concatenate([self.remaining_gain, modes.remaining_gain])
        self._correction = np.concatenate([self._correction, unknown])
        self._log_precision = np.concatenate([self._log_precision, np.full_like(modes.log_lengths, np.nan)])
        self._counted = np.concatenate([self._counted, counted_correction(self.model, modes.log_lengths)])
        self.n_evaluations += modes.n_evaluations
        if len(self) >= 1.3 * self._remembered:
            best = np.argsort(-self.log_density, kind="stable")[:_MOST_REMEMBERED]
            self._memory = length_memory(self.topologies[best], self.log_lengths[best], self.log_density[best])
            self._remembered = len(self)

    def integrate(self, *, within: float, at_most: int) -> None:
        """Compute Hessians of the topologies within so many nats of the best that lack them, best first.

        Arguments:
            within: nats.
            at_most: Hessians to compute in this call.
        """
        weight = self.log_weight()
        order = np.argsort(-weight, kind="stable")
        near = order[weight[order] >= weight[order[0]] - within]
        rows = near[np.isnan(self._correction[near])][:at_most]
        for first in range(0, len(rows), _HESSIANS_AT_ONCE):
            some = rows[first : first + _HESSIANS_AT_ONCE]
            topologies, x = self.topologies[some], self.log_lengths[some]
            self._correction[some], self._log_precision[some] = self.results.of(
                "curvature", (topologies.children, x), partial(curvature, self.model, topologies, x)
            )
            self.n_evaluations += len(some) * (self.log_lengths.shape[1] + 1)
            if self.clock.late:  # the best have theirs; the others are approximated
                break

    def log_weight(self) -> np.ndarray:
        """(T,) approximate log p(data | topology), see `laplace_weights`."""
        exact = np.isfinite(self._correction)
        shift = (self._correction - self._counted)[exact].mean() if exact.any() else 0.0
        return self.log_density + np.where(exact, self._correction, self._counted + shift)

    def modes(self) -> OptimisedLengths:
        """Everything as one value, in the pool's order."""
        return OptimisedLengths(
            log_lengths=self.log_lengths,
            log_density=self.log_density,
            remaining_gain=self.remaining_gain,
            n_evaluations=self.n_evaluations,
        )

    def laplace(self) -> LaplaceWeights:
        """The same for the marginal likelihood."""
        return LaplaceWeights(
            log_weight=self.log_weight(),
            log_precision=self._log_precision,
            exact_hessian=np.isfinite(self._correction),
        )
