"""The target: the joint density of an alignment, a topology and its branch lengths."""

import torch
from torch import Tensor

from vbpi_mix.errors import InputError
from vbpi_mix.felsenstein import (
    jc69_hessian,
    jc69_log_likelihood,
    spectral_log_likelihood,
    tree_hessian,
    tree_log_likelihood,
)
from vbpi_mix.felsenstein.checks import check_inputs, check_lengths
from vbpi_mix.model.build import substitution_model as model_from_string
from vbpi_mix.model.priors import ExponentialBranchPrior, log_topology_prior
from vbpi_mix.model.substitution import JC69, SubstitutionModel
from vbpi_mix.phylo import SitePatterns, TopologyBatch, merge_relabelled

# transition matrices of that many trees exist at a time, with the copies that the kernels make of them
_TREES_AT_ONCE = 256


class PhyloModel:
    """p(Y, topology, branch lengths), with a uniform prior over topologies.

    Arguments:
        patterns: site patterns of the alignment Y; merged further where the model's symmetry allows it.
        n_taxa: N.
        substitution_model: a model string, see `model_string.parse_model`, or a model.
        branch_prior_rate: rate of the exponential prior on each branch length.
        backend: a word of `felsenstein.BACKENDS`.
        dtype: of the partial likelihoods, see `felsenstein.jc69_log_likelihood`.

    Raises:
        InputError: patterns of another number of taxa, or without a state whose frequency is to be counted.
        ConfigError: an unknown model, a model without its values, or an impossible rate.
    """

    def __init__(
        self,
        patterns: SitePatterns,
        n_taxa: int,
        *,
        substitution_model: str | SubstitutionModel = "JC69",
        branch_prior_rate: float = 10.0,
        backend: str = "numba",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        if patterns.n_taxa != n_taxa:
            raise InputError(f"site patterns of {patterns.n_taxa} taxa in a model of {n_taxa}")
        self.n_taxa = n_taxa
        if isinstance(substitution_model, str):
            substitution_model = model_from_string(substitution_model, patterns)
        self.substitution_model = substitution_model
        self.patterns = merge_relabelled(patterns) if self.substitution_model.exchangeable else patterns
        self.branch_prior = ExponentialBranchPrior(branch_prior_rate)
        self.backend = backend
        self.dtype = dtype

    def log_likelihood(self, branch_lengths: Tensor, topologies: TopologyBatch) -> Tensor:
        """(T,) log p(Y | topology, branch lengths (T, E)); errors as in `felsenstein.jc69_log_likelihood`."""
        if isinstance(self.substitution_model, JC69):
            return jc69_log_likelihood(
                branch_lengths, topologies, self.patterns, backend=self.backend, dtype=self.dtype
            )
        check_inputs(topologies, self.patterns)
        check_lengths(branch_lengths, topologies)
        slices = [slice(i, i + _TREES_AT_ONCE) for i in range(0, topologies.n_trees, _TREES_AT_ONCE)]
        parts = [self._under_any_model(branch_lengths[part], topologies[part]) for part in slices]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _under_any_model(self, branch_lengths: Tensor, topologies: TopologyBatch) -> Tensor:
        model = self.substitution_model
        rest = (model.root_frequencies(), model.category_weights(), topologies, self.patterns)
        spectrum = model.constant_spectrum()
        if spectrum is None:
            matrices = model.transition_matrices(branch_lengths)
            return tree_log_likelihood(matrices, *rest, backend=self.backend, dtype=self.dtype)
        return spectral_log_likelihood(branch_lengths, *spectrum, *rest, backend=self.backend, dtype=self.dtype)

    @torch.no_grad()
    def hessian(self, branch_lengths: Tensor, topologies: TopologyBatch) -> Tensor:
        """(T, E, E) Hessians of the log-likelihoods in the branch lengths (T, E), 0 where these are -inf.

        Exact, in float64 on the CPU whatever the backend; constants for autograd. Errors as in
        `felsenstein.jc69_hessian`.
        """
        if isinstance(self.substitution_model, JC69):
            return jc69_hessian(branch_lengths, topologies, self.patterns)
        check_inputs(topologies, self.patterns)
        check_lengths(branch_lengths, topologies)
        model = self.substitution_model
        rest = (model.root_frequencies(), model.category_weights())
        slices = [slice(i, i + _TREES_AT_ONCE) for i in range(0, topologies.n_trees, _TREES_AT_ONCE)]
        return torch.cat(
            [
                tree_hessian(*model.transition_derivatives(branch_lengths[s]), *rest, topologies[s], self.patterns)
                for s in slices
            ]
        )

    def log_prior(self, branch_lengths: Tensor) -> Tensor:
        """(T,) log density of the branch lengths (T, E) plus the log probability of their topology."""
        return self.branch_prior.log_prob(branch_lengths) + log_topology_prior(self.n_taxa)

    def log_joint(self, branch_lengths: Tensor, topologies: TopologyBatch) -> Tensor:
        """(T,) log p(Y, topology, branch lengths)."""
        return self.log_likelihood(branch_lengths, topologies) + self.log_prior(branch_lengths)
