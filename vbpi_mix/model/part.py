"""The likelihood of one part of an alignment under its substitution model."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.felsenstein import (
    jc69_hessian,
    jc69_log_likelihood,
    parametric_log_likelihood,
    spectral_hessian,
    spectral_log_likelihood,
    tree_hessian,
    tree_log_likelihood,
)
from vbpi_mix.felsenstein.checks import check_inputs, check_lengths
from vbpi_mix.model.ascertainment import constant_patterns, log_variable, log_variable_hessian
from vbpi_mix.model.parameter_space import ModelFamily
from vbpi_mix.model.substitution import JC69, SubstitutionModel
from vbpi_mix.phylo import SitePatterns, TopologyBatch

_WIDE_TREES_AT_ONCE = 16  # Hessians of other than four states, with matrices that are larger


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Site patterns and what evolves them.

    Arguments:
        patterns: patterns of the part; merged as far as the model's symmetry allows.
        model: model with fixed parameters, or a family whose parameters are given with every tree.
        rate: multiplies all branch lengths.
        backend: a word of `felsenstein.BACKENDS`.
        dtype: data type of the partial likelihoods, see `felsenstein.jc69_log_likelihood`.
        ascertained: whether the data are only those sites that vary.
        exchangeable: whether all states are alike to the model.
        trees_at_once: Most trees whose transition matrices exist at a time, with the copies that the kernels make.
    """

    patterns: SitePatterns
    model: SubstitutionModel | ModelFamily
    rate: float = 1.0
    backend: str = "numba"
    dtype: torch.dtype = torch.float64
    ascertained: bool = False
    exchangeable: bool = False
    trees_at_once: int = 256

    @property
    def family(self) -> ModelFamily | None:
        """The model, if its parameters are not fixed."""
        return self.model if isinstance(self.model, ModelFamily) else None

    @property
    def n_categories(self) -> int:
        """Number of rate categories, invariant sites among them."""
        if isinstance(self.model, ModelFamily):
            return self.model.specification.n_categories
        return len(self.model.category_weights())

    @property
    def is_plain_jc69(self) -> bool:
        """Whether the likelihood is that of Jukes and Cantor's model with the branch lengths as they stand."""
        return isinstance(self.model, JC69) and self.rate == 1.0 and not self.ascertained

    @cached_property
    def constant_parts(self) -> list["Part"]:
        """The part with each pattern that all taxa have one state in, for `ascertained` data."""
        found = constant_patterns(self.patterns, exchangeable=self.exchangeable)
        return [replace(self, patterns=patterns, ascertained=False) for patterns in found]

    def at(self, coordinates: Tensor, rate: float) -> "Part":
        """The part under constant parameters, coordinates (d,), and another rate."""
        model = self.model.at(coordinates) if isinstance(self.model, ModelFamily) else self.model
        return replace(self, model=model, rate=self.rate * rate)

    def log_likelihood(
        self, branch_lengths: Tensor, topologies: TopologyBatch, coordinates: Tensor | None = None
    ) -> Tensor:
        """(T,) log p(patterns | topology, branch lengths (T, E), coordinates (T, d) of the family).

        Raises:
            ConfigError: the model is a family, and no coordinates are given.
            InputError, NumericalError: as in `felsenstein.jc69_log_likelihood`.
        """
        if self.ascertained:
            plain = replace(self, ascertained=False).log_likelihood(branch_lengths, topologies, coordinates)
            constant = [part.log_likelihood(branch_lengths, topologies, coordinates) for part in self.constant_parts]
            return plain - self.patterns.n_sites * log_variable(constant, self.patterns.n_states)
        lengths = branch_lengths if self.rate == 1.0 else branch_lengths * self.rate
        if isinstance(self.model, JC69):
            return jc69_log_likelihood(lengths, topologies, self.patterns, backend=self.backend, dtype=self.dtype)
        check_inputs(topologies, self.patterns)
        check_lengths(lengths, topologies)
        slices = [slice(i, i + self.trees_at_once) for i in range(0, topologies.n_trees, self.trees_at_once)]
        if isinstance(self.model, ModelFamily):
            if coordinates is None:
                raise ConfigError(f"the model {self.model.specification} has parameters: give their coordinates")
            values = [self._under_family(self.model, lengths[s], topologies[s], coordinates[s]) for s in slices]
        else:
            values = [self._under_constants(self.model, lengths[s], topologies[s]) for s in slices]
        return values[0] if len(values) == 1 else torch.cat(values)

    @torch.no_grad()
    def hessian(self, branch_lengths: Tensor, topologies: TopologyBatch) -> Tensor:
        """(T, E, E) Hessians of the log-likelihoods in the branch lengths (T, E), 0 where these are -inf.

        Raises:
            ConfigError: the model is a family.
            InputError, NumericalError: as in `felsenstein.jc69_hessian`.
        """
        if self.ascertained:
            plain = replace(self, ascertained=False).hessian(branch_lengths, topologies)
            found = [part.with_derivatives(branch_lengths, topologies) for part in self.constant_parts]
            values, gradients, hessians = zip(*found, strict=True)
            correction = log_variable_hessian(values, gradients, hessians, self.patterns.n_states)
            return plain - self.patterns.n_sites * correction
        model, lengths = self.model, branch_lengths * self.rate
        if isinstance(model, ModelFamily):
            raise ConfigError(f"the model {model.specification} has parameters: choose them with `at`")
        if isinstance(model, JC69):
            return self.rate**2 * jc69_hessian(lengths, topologies, self.patterns)
        check_inputs(topologies, self.patterns)
        check_lengths(lengths, topologies)
        rest = (model.root_frequencies(), model.category_weights())
        slices = [slice(i, i + self.trees_at_once) for i in range(0, topologies.n_trees, self.trees_at_once)]
        if self.patterns.n_states != 4:
            spectrum = model.constant_spectrum()
            if spectrum is None:
                raise ConfigError("second derivatives need a model with constant parameters")
            wide = [slice(i, i + _WIDE_TREES_AT_ONCE) for i in range(0, topologies.n_trees, _WIDE_TREES_AT_ONCE)]
            hessians = [spectral_hessian(lengths[s], *spectrum, *rest, topologies[s], self.patterns)[2] for s in wide]
            return self.rate**2 * torch.cat(hessians)
        found = [
            tree_hessian(*model.transition_derivatives(lengths[s]), *rest, topologies[s], self.patterns) for s in slices
        ]
        return self.rate**2 * torch.cat(found)

    @torch.enable_grad()
    def with_derivatives(self, branch_lengths: Tensor, topologies: TopologyBatch) -> tuple[Tensor, Tensor, Tensor]:
        """(T,) log-likelihoods, (T, E) gradients and (T, E, E) Hessians in the branch lengths; no autograd."""
        leaf = branch_lengths.detach().clone().requires_grad_()
        value = self.log_likelihood(leaf, topologies)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), gradient, self.hessian(branch_lengths, topologies)

    def _under_constants(self, model: SubstitutionModel, lengths: Tensor, topologies: TopologyBatch) -> Tensor:
        here = lengths.device
        rest = (model.root_frequencies().to(here), model.category_weights().to(here), topologies, self.patterns)
        spectrum = model.constant_spectrum()
        if spectrum is None:
            matrices = model.transition_matrices(lengths)
            return tree_log_likelihood(matrices, *rest, backend=self.backend, dtype=self.dtype)
        values, products = spectrum
        return spectral_log_likelihood(
            lengths, values.to(here), products.to(here), *rest, backend=self.backend, dtype=self.dtype
        )

    def _under_family(
        self, family: ModelFamily, lengths: Tensor, topologies: TopologyBatch, coordinates: Tensor
    ) -> Tensor:
        models = family.models(coordinates)
        return parametric_log_likelihood(
            lengths,
            models.rate_matrices(),
            models.frequencies,
            models.category_rates(),
            models.category_weights(),
            topologies,
            self.patterns,
            backend=self.backend,
            dtype=self.dtype,
        )
