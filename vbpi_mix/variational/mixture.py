"""The variational family: a mixture of subsplit Bayesian networks with branch-length models."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.branch import BranchModel, LogNormalBase, make_flow
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ComponentPlan, mixture_log_prob
from vbpi_mix.sbn import PlacedTopologies, SubsplitBayesianNetworks, index_tensor, place
from vbpi_mix.support import EncodedTopologies, FeatureKind, PSPIndexer, SubsplitSupport
from vbpi_mix.variational.lengths import EdgeIds, draw_lengths
from vbpi_mix.variational.parameter_posterior import ParameterPosterior

Tying = Literal["none", "topology", "branch"]


@dataclass(frozen=True, kw_only=True)
class TreeDraws:
    """T trees with branch lengths, those of each sampled component next to each other: S * K, if there are K of each.

    Arguments:
        encoded: the topologies and their ids.
        component_of_tree: (T,) int64, the component that drew each tree.
        log_lengths: (T, E) log branch lengths.
        log_q: (M, T) log-density of topology, lengths and parameters under every evaluated component.
        log_q_topology: (T,) log-probability of the topology under the component that drew it.
        parameters: (T, d) coordinates of the model's parameters, `model.ParameterSpace`; d may be 0.
    """

    encoded: EncodedTopologies
    component_of_tree: Tensor
    log_lengths: Tensor
    log_q: Tensor
    log_q_topology: Tensor
    parameters: Tensor


class PhyloMixture(nn.Module):
    """q(tree) = sum_a w_a q_a(topology) q_a(branch lengths | topology), all A components in stacked tensors.

    With parameters of the substitution model, q_a(parameters) is another factor, and the branch lengths' location
    follows them: see `parameters.ParameterPosterior`.

    Arguments:
        support: topologies that are possible.
        n_components: A.
        tying: "none"; "topology": one topology model shared by all components; "branch": one branch model.
        features: rows of the branch model: "psp" (split and primary subsplit pairs) or "split".
        flow: a word of `branch.FLOWS`.
        flow_layers, flow_hidden: its size; the published one if None.
        flow_per_component: a flow for each component in place of one that they share. A draw is then evaluated
            under another component through the inverse of that component's flow, at the cost of a flow.
        n_parameters: d of the substitution model, 0 if all of them are fixed.
        tie_parameters: one distribution of the parameters, shared by all components.

    Attributes:
        log_component_weights: (A,) float64 log w, all -log A until `set_component_weights`. Training takes weights
            as an argument of its own; these are those of the mixture once it is trained. They are no part of
            `state_dict`, which is what training saves: what is done after training is saved beside it.

    References:
        Molén et al., VBPI-Mixtures, TMLR 2024; Zhang and Matsen, ICLR 2019.
    """

    log_component_weights: Tensor

    def __init__(
        self,
        support: SubsplitSupport,
        *,
        n_components: int,
        tying: Tying = "none",
        features: FeatureKind = "psp",
        flow: str = "identity",
        flow_layers: int | None = None,
        flow_hidden: int | None = None,
        flow_per_component: bool = False,
        n_parameters: int = 0,
        tie_parameters: bool = False,
    ) -> None:
        super().__init__()
        if tying not in get_args(Tying):
            raise ConfigError(f"unknown tying '{tying}': choose one of {', '.join(get_args(Tying))}")
        if n_components < 1:
            raise ConfigError(f"a mixture needs at least one component, not {n_components}")
        if flow_per_component and tying == "branch":
            raise ConfigError("one branch model has one flow: leave out flow_per_component, or change tying 'branch'")
        self.support = support
        self.n_components = n_components
        self.tying: Tying = tying
        self.indexer = PSPIndexer(support, features)
        self.networks = SubsplitBayesianNetworks(support, 1 if tying == "topology" else n_components)
        base = LogNormalBase(n_components=1 if tying == "branch" else n_components, n_features=self.indexer.n_features)
        made = make_flow(
            flow,
            n_features=self.indexer.n_features,
            n_taxa=support.n_taxa,
            n_layers=flow_layers,
            n_hidden=flow_hidden,
            n_flows=n_components if flow_per_component else None,
        )
        self.branches = BranchModel(base, made, per_component=flow_per_component)
        self.parameter_posterior = (
            ParameterPosterior(
                n_parameters=n_parameters,
                n_components=1 if tie_parameters else n_components,
                n_splits=support.n_splits,
            )
            if n_parameters
            else None
        )
        self.device: torch.device | None = None
        self.register_buffer("log_component_weights", self.log_weights_of(None), persistent=False)

    def place(self, device: torch.device | None) -> None:
        """Move parameters to a device, where draws are then computed in torch; None: by compiled kernels on the CPU.

        Topologies are drawn on the CPU in either case, from the same random numbers. Whatever else is done with a
        mixture than drawing from it needs the CPU.
        """
        self.device = device
        self.to(device or torch.device("cpu"))

    @property
    def component_weights(self) -> np.ndarray | None:
        """(A,) weights w; None if they are equal, as the functions of `evaluate.estimates` take them."""
        log_w = self.log_component_weights
        return None if bool((log_w == log_w[0]).all()) else log_w.exp().numpy()

    def set_component_weights(self, weights: Tensor | np.ndarray | None) -> None:
        """Set w; see `log_weights_of`."""
        self.log_component_weights.copy_(self.log_weights_of(weights))

    def log_weights_of(self, weights: Tensor | np.ndarray | None) -> Tensor:
        """(A,) log w for w in proportion to (A,) non-negative numbers; None: equal weights.

        Raises:
            ConfigError: another number of them, a negative or non-finite one, or only zeros.
        """
        n = self.n_components
        given = torch.ones(n, dtype=torch.float64) if weights is None else torch.as_tensor(weights, dtype=torch.float64)
        if given.shape != (n,) or not bool((given >= 0).all()) or not 0 < float(given.sum()) < math.inf:
            raise ConfigError(f"component weights must be {n} non-negative numbers, not all zero, not {given.tolist()}")
        equal = bool((given == given[0]).all())  # then without rounding
        return torch.full((n,), -math.log(n), dtype=torch.float64) if equal else (given / given.sum()).log()

    @property
    def log_strata(self) -> Tensor:
        """(A,) log(A w): what a draw of each component counts for where all are drawn equally often."""
        return self.log_component_weights + math.log(self.n_components)

    def mixed(self, log_q: Tensor) -> Tensor:
        """(T,) log q(tree) = log sum_a w_a q_a(tree) from the log q_a(tree) (A, T)."""
        return mixture_log_prob(log_q.T, self.log_component_weights)

    def topology_log_prob(self, encoded: EncodedTopologies) -> Tensor:
        """(T,) log sum_a w_a q_a(topology); -inf out of support."""
        each = self.networks.log_prob(encoded)
        if self.tying == "topology":
            return each[0]
        return torch.logsumexp(each + self.log_strata[:, None], dim=0) - math.log(self.n_components)

    def parameter_log_prob(self, coordinates: Tensor) -> Tensor:
        """(T,) log sum_a w_a q_a(u) of the parameters' coordinates (T, d), whatever the tree."""
        assert self.parameter_posterior is not None
        components = torch.arange(self.n_components)
        return self.mixed(self.parameter_posterior.log_prob(coordinates, self.parameter_row(components)))

    def draw(
        self, plan: ComponentPlan, n_particles: int | Tensor, generator: torch.Generator, *, path: bool = False
    ) -> TreeDraws:
        """Draw trees from the sampled components; evaluate all of them under every evaluated one.

        Arguments:
            plan: the components.
            n_particles: K of each, or (S,) how many of each.
            generator: source of the draws.
            path: see `BranchModel.draw`.
        """
        component = plan.sampled.repeat_interleave(n_particles)
        encoded = self.networks.sample(self.topology_row(component), generator)
        own = plan.sampled_positions().repeat_interleave(n_particles)
        return self._lengthened(encoded, component, plan.evaluated, own, generator, path=path)

    @torch.no_grad()
    def draw_lengths(self, encoded: EncodedTopologies, component: Tensor, generator: torch.Generator) -> TreeDraws:
        """Draw branch lengths and parameters for given topologies.

        Arguments:
            encoded: T topologies.
            component: (T,) whose distribution of the lengths each is drawn from.
            generator: source of the draws.
        """
        every = torch.arange(self.n_components)
        return self._lengthened(encoded, component, every, component, generator)

    def _lengthened(
        self,
        encoded: EncodedTopologies,
        component: Tensor,
        evaluated: Tensor,
        own: Tensor,
        generator: torch.Generator,
        *,
        path: bool = False,
    ) -> TreeDraws:
        feature_ids, split_ids = self.indexer.feature_ids(encoded), encoded.split_ids
        topologies = encoded
        if self.device is not None:
            topologies = place(encoded, self.device)
            feature_ids, split_ids = (index_tensor(x, self.device) for x in (feature_ids, split_ids))
            component, evaluated, own = (x.to(self.device) for x in (component, evaluated, own))
        log_q_topology = self._log_q_topology(topologies, evaluated)
        posterior = self.parameter_posterior
        drawn = draw_lengths(
            self.branches,
            posterior,
            log_q_topology,
            EdgeIds(features=feature_ids, splits=split_ids),
            of_branches=(self.branch_row(component), self.branch_row(evaluated)),
            of_parameters=None if posterior is None else (self.parameter_row(component), self.parameter_row(evaluated)),
            source=generator,
            path=path,
        )
        return TreeDraws(
            encoded=encoded,
            component_of_tree=component,
            log_lengths=drawn.log_lengths,
            log_q=drawn.log_q,
            log_q_topology=log_q_topology[own, torch.arange(len(own), device=own.device)],
            parameters=drawn.parameters,
        )

    def log_prob(
        self,
        encoded: EncodedTopologies,
        log_lengths: Tensor,
        components: Tensor | None = None,
        parameters: Tensor | None = None,
    ) -> Tensor:
        """(M, T) log-density of given trees under each component (all A if not given); -inf out of support.

        Arguments:
            encoded: T topologies.
            log_lengths: (T, E).
            components: (M,).
            parameters: (T, d) coordinates, where the mixture has a distribution of them.

        Raises:
            ConfigError: parameters missing.
        """
        which = torch.arange(self.n_components) if components is None else components
        log_q = self._log_q_topology(encoded, which)
        posterior = self.parameter_posterior
        if posterior is not None:
            if parameters is None:
                raise ConfigError(f"the mixture has {posterior.n_parameters} parameters: give their coordinates")
            shift = posterior.shift(encoded.split_ids, posterior.whitened(parameters))
            log_q = log_q + posterior.log_prob(parameters, self.parameter_row(which)) - shift.sum(dim=1)
            log_lengths = log_lengths - shift
        branches = self.branches.log_prob(self.indexer.feature_ids(encoded), self.branch_row(which), log_lengths)
        return log_q + branches

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the names that learning rates go by: topology, base, flow and parameters if it has any."""
        groups: dict[str, list[nn.Parameter]] = {"topology": [self.networks.logits], "base": [self.branches.base.table]}
        flow = list(self.branches.flow.parameters())
        if flow:
            groups["flow"] = flow
        if self.parameter_posterior is not None:
            groups["parameters"] = list(self.parameter_posterior.parameters())
        return groups

    def _log_q_topology(self, topologies: EncodedTopologies | PlacedTopologies, components: Tensor) -> Tensor:
        if self.tying == "topology":
            return self.networks.log_prob(topologies).expand(len(components), -1)
        return self.networks.log_prob(topologies, components)

    def topology_row(self, component: Tensor) -> Tensor:
        """Which of the networks a component has."""
        return torch.zeros_like(component) if self.tying == "topology" else component

    def branch_row(self, component: Tensor) -> Tensor:
        """Which of the branch models' bases a component has."""
        return torch.zeros_like(component) if self.tying == "branch" else component

    def parameter_row(self, component: Tensor) -> Tensor:
        """Which of the parameters' distributions a component has."""
        assert self.parameter_posterior is not None
        return torch.zeros_like(component) if self.parameter_posterior.n_distributions == 1 else component
