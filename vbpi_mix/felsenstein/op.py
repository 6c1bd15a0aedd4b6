"""The likelihood of trees as differentiable functions of tensors, and the words that choose how it is computed."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vbpi_mix.errors import BackendError, NumericalError
from vbpi_mix.felsenstein import numba_backend, reference, triton_backend
from vbpi_mix.felsenstein.checks import check_inputs, check_lengths, check_model
from vbpi_mix.phylo import SitePatterns, TopologyBatch

BackendName = Literal["numba", "reference", "triton"]


class _General(torch.autograd.Function):
    """Values and gradients by one fused pass in `forward`; `backward` only multiplies."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, matrices: Tensor, frequencies: Tensor, category_weights: Tensor,
        topologies: TopologyBatch, patterns: SitePatterns, with_gradient: bool,
    ) -> Tensor:  # fmt: skip
        values, *gradients = numba_backend.general(
            _array(matrices), _array(frequencies), _array(category_weights), topologies, patterns,
            with_gradient=with_gradient,
        )  # fmt: skip
        _check_values(values)
        if with_gradient:
            ctx.save_for_backward(*(torch.from_numpy(g) for g in gradients))
        return torch.from_numpy(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        of_matrices, of_frequencies, of_weights = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return (
            of_matrices * grad[:, None, None, None, None] if needs[0] else None,
            grad @ of_frequencies if needs[1] else None,
            grad @ of_weights if needs[2] else None,
            None, None, None,
        )  # fmt: skip


class _JC69(torch.autograd.Function):
    """As `_General`, for branch lengths."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, with_gradient: bool
    ) -> Tensor:
        values, gradient = numba_backend.jc69(_array(lengths), topologies, patterns, with_gradient=with_gradient)
        _check_values(values)
        if with_gradient:
            ctx.save_for_backward(torch.from_numpy(gradient))
        return torch.from_numpy(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return gradient * grad[:, None], None, None, None


def _numba_general(
    matrices: Tensor, frequencies: Tensor, category_weights: Tensor, topologies: TopologyBatch, patterns: SitePatterns
) -> Tensor:
    wanted = _wants_gradient(matrices, frequencies, category_weights)
    return _General.apply(matrices, frequencies, category_weights, topologies, patterns, wanted)  # type: ignore[return-value]


def _numba_jc69(lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns) -> Tensor:
    return _JC69.apply(lengths, topologies, patterns, _wants_gradient(lengths))  # type: ignore[return-value]


# word -> (any model, JC69)
BACKENDS = {
    "numba": (_numba_general, _numba_jc69),
    "reference": (reference.tree_log_likelihood, reference.jc69_log_likelihood),
    "triton": (triton_backend.tree_log_likelihood, triton_backend.jc69_log_likelihood),  # tensors on a GPU
}


def tree_log_likelihood(
    transition_matrices: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    backend: str = "numba",
) -> Tensor:
    """Log-likelihoods of trees under any model of four states, differentiable in the first three arguments.

    The likelihood is that of `reference.tree_log_likelihood`. With "numba" and "triton" the gradient costs about two
    more passes over the tree, whatever the number of edges, and cannot be differentiated again.

    Arguments:
        transition_matrices: (T, E, C, 4, 4) float64; [s, t] is the probability of state t at the lower end of the
            edge, given s at its upper end and the rate category. A category of invariant sites has identity matrices.
        root_frequencies: (4,) of the states A, C, G, T at the top node.
        category_weights: (C,) probabilities of the rate categories.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.
        backend: a word of `BACKENDS`.

    Returns:
        (T,) natural logarithms; sites without data add 0. A tree that cannot produce the data (zero-length branches
        between different states) has -inf and gradient zero: there is no direction that improves it to first order
        in a finite way, and samplers and optimisers must see -inf as the end of the way.

    Raises:
        BackendError: unknown backend, or tensors on a device the backend cannot use.
        InputError: shapes or types that do not fit, or other taxa in patterns than in topologies.
        NumericalError: entries that are not finite, or a result that is not a number.
    """
    check_inputs(topologies, patterns)
    check_model(transition_matrices, root_frequencies, category_weights, topologies)
    return _backend(backend, transition_matrices)[0](
        transition_matrices, root_frequencies, category_weights, topologies, patterns
    )


def jc69_log_likelihood(
    branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, *, backend: str = "numba"
) -> Tensor:
    """Log-likelihoods of trees under Jukes and Cantor's model (1969), differentiable in the branch lengths.

    Patterns that are equal up to a relabelling of the states may have been merged (`phylo.merge_relabelled`).

    Arguments:
        branch_lengths: (T, E) float64, expected substitutions per site, finite and >= 0.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.
        backend: a word of `BACKENDS`.

    Returns:
        (T,) natural logarithms; -inf as in `tree_log_likelihood`.

    Raises:
        BackendError, InputError, NumericalError: as `tree_log_likelihood`.
    """
    check_inputs(topologies, patterns)
    check_lengths(branch_lengths, topologies)
    return _backend(backend, branch_lengths)[1](branch_lengths, topologies, patterns)


def _backend(word: str, tensor: Tensor) -> Any:
    if word not in BACKENDS:
        raise BackendError(f"unknown likelihood backend {word!r}: choose one of {', '.join(sorted(BACKENDS))}")
    if tensor.device.type != "cpu" and word != "triton":
        raise BackendError(f"the likelihood backend {word!r} needs tensors on the cpu, not on {tensor.device}")
    return BACKENDS[word]


def _wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())


def _check_values(values: np.ndarray) -> None:
    bad = np.flatnonzero(np.isnan(values) | (values == np.inf))
    if len(bad):
        raise NumericalError(
            f"the log-likelihood of tree {bad[0]} is {values[bad[0]]}: its transition matrices are no probabilities"
        )
