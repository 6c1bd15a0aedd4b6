"""The target: the joint density of an alignment, a topology, its branch lengths and the model's parameters."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.felsenstein.backends import dtype_option
from vbpi_mix.model.ascertainment import check_variable
from vbpi_mix.model.build import specified_model
from vbpi_mix.model.model_string import parse_model
from vbpi_mix.model.parameter_priors import ParameterPriors
from vbpi_mix.model.parameter_space import ModelFamily, ParameterSpace
from vbpi_mix.model.part import Part
from vbpi_mix.model.priors import BranchPrior, ExponentialBranchPrior, log_topology_prior
from vbpi_mix.model.substitution import SubstitutionModel
from vbpi_mix.phylo import SitePatterns, TopologyBatch, merge_relabelled
from vbpi_mix.phylo.constraint_counts import TopologyCount, count_topologies
from vbpi_mix.phylo.constraints import Constraints

_T = TypeVar("_T")


class PhyloModel:
    """p(Y, topology, branch lengths, parameters), with a uniform prior over the topologies allowed.

    Arguments:
        patterns: Site patterns of the alignment Y, or of each of its parts; merged further where a model's symmetry
            allows it.
        n_taxa: N.
        substitution_model: A model string, see `model_string.parse_model`, or a model; or one for each part. What a
            string gives no values for is inferred, see `parameters.ModelFamily`.
        part_names: Names of the parts, for the names of their parameters; numbers from 1 if not given.
        branch_prior_rate: Rate of the exponential prior on each branch length.
        branch_prior: Another prior of the branch lengths in its place.
        priors: Priors of the parameters; MrBayes's if not given.
        constraints: Constraints that topologies must satisfy; all are allowed if not given. Densities are those of
            allowed topologies: whether one is, says `allows`.
        backend: A word of `felsenstein.BACKENDS`.
        dtype: Type of the partial likelihoods, see `felsenstein.jc69_log_likelihood`.

    Attributes:
        parts: Parts of the alignment.
        device: Device that the likelihood takes branch lengths on.
        parameters: Parameters that are inferred besides the tree.
        n_topologies: Number of allowed topologies; None for all of them.

    Raises:
        InputError: Patterns of another number of taxa, or without a state whose frequency is to be counted.
        ConfigError: An unknown model, an impossible rate, other than one model or one for each part, or constraints
            that no topology satisfies.

    Examples:
        >>> import torch
        >>> import vbpi_mix as vm
        >>> alignment = vm.read_alignment("primates")
        >>> model = vm.PhyloModel(vm.site_patterns(alignment), alignment.n_taxa, substitution_model="HKY+G4")
        >>> model.parameters.names
        ('kappa', 'pi(A)', 'pi(C)', 'pi(G)', 'pi(T)', 'alpha')
    """

    def __init__(
        self,
        patterns: SitePatterns | Sequence[SitePatterns],
        n_taxa: int,
        *,
        substitution_model: str | SubstitutionModel | Sequence[str | SubstitutionModel] = "JC69",
        part_names: Sequence[str] | None = None,
        branch_prior_rate: float = 10.0,
        branch_prior: BranchPrior | None = None,
        priors: ParameterPriors | None = None,
        constraints: Constraints | None = None,
        backend: str = "numba",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        every = [patterns] if isinstance(patterns, SitePatterns) else list(patterns)
        models = _one_for_each(substitution_model, len(every))
        for found in every:
            if found.n_taxa != n_taxa:
                raise InputError(f"site patterns of {found.n_taxa} taxa in a model of {n_taxa}")
        self.n_taxa = n_taxa
        self.device = torch.device("cpu")
        self.priors = ParameterPriors() if priors is None else priors
        self.constraints = constraints or None
        self.n_topologies = _count(self.constraints, n_taxa)
        self.branch_prior = ExponentialBranchPrior(branch_prior_rate) if branch_prior is None else branch_prior
        self.parts: tuple[Part, ...] = tuple(
            _part(p, model, self.priors, backend, dtype) for p, model in zip(every, models, strict=True)
        )
        self.parameters = ParameterSpace(
            [p.family for p in self.parts], [p.n_sites for p in every], self.priors, part_names
        )

    @property
    def patterns(self) -> SitePatterns:
        """The site patterns of an alignment in one part."""
        return self._only_part.patterns

    @property
    def substitution_model(self) -> SubstitutionModel | ModelFamily:
        """The model of an alignment in one part."""
        return self._only_part.model

    @property
    def _only_part(self) -> Part:
        only, *others = self.parts
        if others:
            raise ConfigError(f"the alignment has {len(self.parts)} parts, each with patterns and a model: see `parts`")
        return only

    @property
    def pattern_weights(self) -> np.ndarray:
        """(P,) weights of the patterns of all parts, one part after the other."""
        return np.concatenate([part.patterns.weights for part in self.parts])

    @property
    def n_sites(self) -> float:
        """Sites of all parts."""
        return sum(part.patterns.n_sites for part in self.parts)

    def at(self, coordinates: Tensor) -> "PhyloModel":
        """The model with its parameters fixed at coordinates (d,); their prior is no longer in its densities."""
        self.parameters.check(coordinates[None], 1)
        if not self.parameters.n_coordinates:
            return self
        every = coordinates.detach()[None]
        rates = self.parameters.multipliers(every)
        fixed = copy(self)
        fixed.parts = tuple(
            part.at(self.parameters.of_part(i, every)[0], 1.0 if rates is None else float(rates[0, i]))
            for i, part in enumerate(self.parts)
        )
        fixed.parameters = ParameterSpace([None], [self.n_sites], self.priors)
        return fixed

    def placed(self, backend: str, device: torch.device | None = None) -> "PhyloModel":
        """The same densities by another backend, for branch lengths on a device that it can use.

        Arguments:
            backend: A word of `felsenstein.BACKENDS`.
            device: The device; the one of the model if not given.

        Raises:
            BackendError: it cannot compute the likelihood of one of the parts.
        """
        moved = copy(self)
        moved.device = device or self.device
        moved.parts = tuple(replace(part, backend=backend) for part in self.parts)
        for part in moved.parts:
            dtype_option(backend, part.dtype, part.patterns.n_states)
        return moved

    def log_likelihood(
        self, branch_lengths: Tensor, topologies: TopologyBatch, coordinates: Tensor | None = None
    ) -> Tensor:
        """(T,) log p(Y | topology, branch lengths (T, E), parameters).

        Arguments:
            branch_lengths: (T, E).
            topologies: T topologies.
            coordinates: (T, d) of the parameters (`parameters.ParameterSpace`), where there are any.

        Raises:
            ConfigError: No coordinates, or of another number of parameters.
            InputError, NumericalError: As in `felsenstein.jc69_log_likelihood`.
        """
        if not self.parameters.n_coordinates:
            return sum_of([part.log_likelihood(branch_lengths, topologies) for part in self.parts])
        coordinates = self._checked(coordinates, topologies.n_trees)
        rates = self.parameters.multipliers(coordinates)
        return sum_of(
            [
                part.log_likelihood(
                    branch_lengths if rates is None else branch_lengths * rates[:, i, None],
                    topologies,
                    self.parameters.of_part(i, coordinates),
                )
                for i, part in enumerate(self.parts)
            ]
        )

    @property
    def log_topology_prior(self) -> float:
        """Log prior probability of each allowed topology."""
        return log_topology_prior(self.n_taxa) if self.n_topologies is None else -self.n_topologies.log

    def allows(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) bool: which topologies satisfy the constraints."""
        if self.constraints is None:
            return np.ones(topologies.n_trees, dtype=bool)
        return self.constraints.allows(topologies)

    def hessian(self, branch_lengths: Tensor, topologies: TopologyBatch) -> Tensor:
        """(T, E, E) Hessians of the log-likelihoods in the branch lengths (T, E), 0 where these are -inf.

        Exact, in float64 on the CPU whatever the backend; constants for autograd.

        Raises:
            ConfigError: Parameters are not fixed.
            InputError, NumericalError: As in `felsenstein.jc69_hessian`.
        """
        return sum_of([part.hessian(branch_lengths, topologies) for part in self.parts])

    def log_prior(self, branch_lengths: Tensor, coordinates: Tensor | None = None) -> Tensor:
        """(T,) log density of branch lengths (T, E), of coordinates (T, d), and log probability of the topology."""
        of_tree = self.branch_prior.log_prob(branch_lengths) + self.log_topology_prior
        if not self.parameters.n_coordinates:
            return of_tree
        return of_tree + self.parameters.log_prior(self._checked(coordinates, len(branch_lengths)))

    def log_joint(self, branch_lengths: Tensor, topologies: TopologyBatch, coordinates: Tensor | None = None) -> Tensor:
        """(T,) log p(Y, topology, branch lengths, parameters)."""
        likelihood = self.log_likelihood(branch_lengths, topologies, coordinates)
        return likelihood + self.log_prior(branch_lengths, coordinates)

    def _checked(self, coordinates: Tensor | None, n_trees: int) -> Tensor:
        if coordinates is None:
            raise ConfigError(f"the model has {self.parameters.n_coordinates} parameters: give their coordinates")
        self.parameters.check(coordinates, n_trees)
        return coordinates


def sum_of(values: Sequence[Tensor]) -> Tensor:
    """The sum of tensors of one shape; a single one as it is."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _count(constraints: Constraints | None, n_taxa: int) -> TopologyCount | None:
    if constraints is None:
        return None
    if len(constraints.taxa) != n_taxa:
        raise ConfigError(f"constraints on {len(constraints.taxa)} taxa in a model of {n_taxa}")
    found = count_topologies(constraints)
    if found.log == -math.inf:
        raise ConfigError("no topology satisfies all constraints: they conflict")
    return found


def _one_for_each(given: _T | Sequence[_T], n_parts: int) -> list[_T]:
    if isinstance(given, (list, tuple)):
        if len(given) != n_parts:
            raise ConfigError(f"{len(given)} substitution models for {n_parts} parts of the alignment")
        return list(given)
    return [given] * n_parts  # type: ignore[list-item]  # no sequence


def _part(
    patterns: SitePatterns, model: str | SubstitutionModel, priors: ParameterPriors, backend: str, dtype: torch.dtype
) -> Part:
    substitution: SubstitutionModel | ModelFamily
    ascertained = False
    if isinstance(model, str):
        specification = parse_model(model, infer=True)
        ascertained = specification.ascertained
        if ascertained:
            check_variable(patterns, model)
        fixed = specification.is_fixed
        substitution = (
            specified_model(specification, patterns) if fixed else ModelFamily(specification, patterns, priors)
        )
        exchangeable = specification.exchangeable or specification.name == "MK"
    else:
        substitution, exchangeable = model, model.exchangeable
    merged = merge_relabelled(patterns) if exchangeable else patterns
    return Part(
        patterns=merged, model=substitution, backend=backend, dtype=dtype, ascertained=ascertained,
        exchangeable=exchangeable,
    )  # fmt: skip
