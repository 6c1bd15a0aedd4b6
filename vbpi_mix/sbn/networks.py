"""Subsplit Bayesian networks: distributions over unrooted topologies (Zhang and Matsen 2018, 2019)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vbpi_mix.errors import SupportError
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.row_table import RowBackward, RowTable, rows_of
from vbpi_mix.sbn import kernels, mixture_kernels, reference
from vbpi_mix.sbn.buffers import Buffers
from vbpi_mix.sbn.placed import PlacedTopologies, index_tensor
from vbpi_mix.sbn.sampler import sample_topologies
from vbpi_mix.support.encode import EncodedTopologies
from vbpi_mix.support.subsplit_support import SubsplitSupport

_ORDER = (1, 0)  # entries are rows: what a tree uses is then contiguous for all components


class SubsplitBayesianNetworks(nn.Module):
    """A subsplit Bayesian networks on one support, their tables stacked.

    A rooted tree has the probability of its rootsplit times those of its subsplits given their parents; an
    unrooted topology the sum over its 2N-3 rootings. Each conditional table is a softmax of logits over the entries
    that share a parent (`support.segments`). What the support lacks has probability zero.

    Topologies on a device (`placed.PlacedTopologies`) are evaluated there by `sbn.reference`, all others by compiled
    kernels on the CPU, wherever the parameters are; results are on the parameters' device. Topologies are always drawn
    on the CPU.

    Arguments:
        support: the support; not part of the state that `state_dict` holds.
        n_components: A.
        logits: (A, n_params) finite start values; zeros, uniform tables, if not given.

    Raises:
        SupportError: `logits` do not fit the support or are not finite.

    References:
        Zhang and Matsen, Generalizing tree probability estimation via Bayesian networks, NeurIPS 2018.
        Zhang and Matsen, Variational Bayesian phylogenetic inference, ICLR 2019.
    """

    logits: RowTable

    def __init__(self, support: SubsplitSupport, n_components: int = 1, *, logits: Tensor | None = None) -> None:
        super().__init__()
        shape = (n_components, support.n_params)
        start = torch.zeros(shape, dtype=torch.float64) if logits is None else logits.detach().to(torch.float64).clone()
        if start.shape != shape:
            raise SupportError(f"logits of shape {tuple(start.shape)} do not fit {shape}: components, table entries")
        if not bool(torch.isfinite(start).all()):
            raise SupportError("logits must be finite: give entries that should be rare a small probability instead")
        self.support = support
        self.logits = RowTable(start, _ORDER)
        self._memory = Buffers()
        self._placed: Tensor | None = None

    @property
    def n_components(self) -> int:
        return int(self.logits.shape[0])

    def log_cpd(self) -> Tensor:
        """(A, n_params) float64: the logarithms of all conditional probabilities."""
        return _LogSoftmax.apply(self.logits, self.support)

    @torch.no_grad()
    def sample(
        self, component_of_tree: Tensor, generator: torch.Generator, *, log_cpd: Tensor | None = None
    ) -> EncodedTopologies:
        """Draw T topologies.

        Arguments:
            component_of_tree: (T,) the component to draw each from; equal ones next to each other are faster.
            generator: a CPU generator; T * (N-1) uniform numbers are taken.
            log_cpd: (A, n_params) tables to use in place of the module's own.

        Returns:
            The topologies with their ids. The only id that can be missing is one adjacency of a tree: that of the
            edge on which its root was drawn.
        """
        support = self.support
        n_taxa = support.n_taxa
        component = _indices(component_of_tree, self.n_components)
        n_trees = len(component)
        uniforms = torch.rand((n_trees, n_taxa - 1), generator=generator, dtype=torch.float64)
        encoded = EncodedTopologies(
            support=support,
            topologies=TopologyBatch(np.empty((n_trees, n_taxa - 2, 2), dtype=np.int32)),
            split_ids=np.empty((n_trees, 2 * n_taxa - 3), dtype=np.int32),
            tripartition_ids=np.empty((n_trees, n_taxa - 2), dtype=np.int32),
            adjacency_ids=np.empty((n_trees, n_taxa - 3), dtype=np.int32),
        )
        segments = support.segments
        after = (segments.child_of_entry, segments.after_rootsplit, segments.after_subsplit)
        values = rows_of(_on_cpu(self.logits), _ORDER).T if log_cpd is None else _array(log_cpd)
        sample_topologies(
            values, component, uniforms.numpy(),
            _tables(support), after, support.tripartitions, support.adjacencies, _trees(encoded),
        )  # fmt: skip
        return encoded

    def log_prob(
        self,
        topologies: EncodedTopologies | PlacedTopologies,
        components: Tensor | None = None,
        *,
        log_cpd: Tensor | None = None,
    ) -> Tensor:
        """(M, T) float64: log q of every topology under every evaluated component, all rootings summed.

        -inf, with gradient zero, for a topology of which no rooting is in the support.

        Arguments:
            topologies: T topologies, encoded in this support; where they are placed on a device, so must the tables be.
            components: (M,) which components; all A if not given.
            log_cpd: (A, n_params) normalised tables to use in place of the module's own: gradients then
                flow to them.

        Raises:
            SupportError: the topologies were encoded in another support, or a component does not exist.
        """
        if isinstance(topologies, PlacedTopologies):
            return self._placed_log_prob(topologies, components, log_cpd)
        topologies.require(self.support)
        which = np.arange(self.n_components) if components is None else _indices(components, self.n_components)
        values = self.logits if log_cpd is None else log_cpd
        return _LogProb.apply(values, self.support, topologies, which, log_cpd is not None, self._memory)

    def _placed_log_prob(
        self, topologies: PlacedTopologies, components: Tensor | None, log_cpd: Tensor | None
    ) -> Tensor:
        topologies.require(self.support)
        rows = (self.logits if log_cpd is None else log_cpd).T
        rows = rows if components is None else rows[:, components]
        if log_cpd is None:
            rows = reference.log_softmax(rows, self._segment_of_entry(rows.device), self.support.segments.n_segments)
        return reference.log_prob(rows, topologies)

    def _segment_of_entry(self, device: torch.device) -> Tensor:
        if self._placed is None or self._placed.device != device:
            self._placed = index_tensor(self.support.segments.segment_of_entry, device)
        return self._placed


class _LogSoftmax(torch.autograd.Function):
    """(A, n_params) logits -> log-probabilities, by segment."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, support: SubsplitSupport) -> Tensor:
        values = _array(logits)
        log_norm = np.empty((len(values), support.segments.n_segments))
        result = np.empty_like(values)
        kernels.log_softmax(values, log_norm, _tables(support), result)
        ctx.state = values, log_norm, support
        return torch.from_numpy(result).to(logits.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        values, log_norm, support = ctx.state
        gradient = _array(upstream).copy()
        kernels.log_softmax_vjp(values, log_norm, _tables(support), gradient)
        return torch.from_numpy(gradient).to(upstream.device), None


class _LogProb(torch.autograd.Function):
    """Logits (or log-probabilities, `normalised`) -> (M, T) log q."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        support: SubsplitSupport,
        encoded: EncodedTopologies,
        components: np.ndarray,
        normalised: bool,
        buffers: Buffers,
    ) -> Tensor:
        n_taxa, n_trees, n_evaluated = support.n_taxa, encoded.n_trees, len(components)
        trees = _trees(encoded)
        used, local, begins = mixture_kernels.number_entries(
            _tables(support), trees, _offsets(support), 1 if normalised else 2
        )
        logs, shares = buffers.take(len(local), n_evaluated), buffers.take(len(local), n_evaluated)
        values = rows_of(_on_cpu(logits), _ORDER)
        mixture_kernels.normalise(values, components, local, begins, normalised, logs, shares)
        result = np.empty((n_evaluated, n_trees))
        rootings = buffers.take(n_trees, 2 * n_taxa - 3, n_evaluated)
        mixture_kernels.log_q(trees[0], used, logs, result, rootings)
        buffers.give(logs)
        if not ctx.needs_input_grad[0]:
            buffers.give(shares, rootings)
            return torch.from_numpy(result).to(logits.device)
        ctx.table, ctx.normalised, ctx.buffers, ctx.loan = logits, normalised, buffers, buffers.lend(shares, rootings)
        ctx.arrays = trees[0], used, local, begins, shares, rootings, components
        return torch.from_numpy(result).to(logits.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, None, None, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        target = RowBackward(ctx.table, _ORDER)
        gradient = target.begin()
        children, used, local, begins, shares, rootings, components = ctx.arrays
        amounts = ctx.buffers.take(*shares.shape)
        mixture_kernels.log_q_vjp(
            children, used, local, begins, shares, rootings, components,
            _array(upstream), ctx.normalised, amounts, gradient.arrays,
        )  # fmt: skip
        ctx.buffers.give(amounts)
        return target.finish(gradient), None, None, None, None, None


def _on_cpu(table: Tensor) -> Tensor:
    """The table itself where it is on the CPU."""
    return table if table.device.type == "cpu" else table.detach().cpu()


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().to(torch.float64).contiguous().numpy()


def _indices(components: Tensor, n_components: int) -> np.ndarray:
    which = components.detach().cpu().to(torch.int64).contiguous().numpy()
    if which.ndim != 1 or (which.size and not (which.min() >= 0 and which.max() < n_components)):
        raise SupportError(f"components must be a vector of numbers from 0 to {n_components - 1}, got {which.tolist()}")
    return which


def _tables(support: SubsplitSupport) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    segments = support.segments
    return segments.segment_of_entry, segments.pointer, segments.entries


def _trees(encoded: EncodedTopologies) -> tuple[np.ndarray, ...]:
    return (
        np.ascontiguousarray(encoded.topologies.children),
        encoded.split_ids,
        encoded.tripartition_ids,
        encoded.adjacency_ids,
    )


def _offsets(support: SubsplitSupport) -> tuple[int, int]:
    return support.n_splits, support.n_splits + 3 * support.n_tripartitions
