"""q(branch lengths | topology) of all components: the stacked base followed by a flow, shared or one for each."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.branch.base import LogNormalBase
from vbpi_mix.branch.features import FeatureIds
from vbpi_mix.estimators import Pairs, per_density
from vbpi_mix.seeding import JoinedGenerators, standard_normal


@dataclass(frozen=True, kw_only=True)
class BranchDraws:
    """Branch lengths of T trees.

    Arguments:
        log_lengths: (T, E) log of the branch lengths in expected substitutions per site.
        log_q: (M, T) log-density of the *lengths* (Jacobians of flow and exponential included) under each
            evaluated component; (Q,) where pairs are evaluated.
    """

    log_lengths: Tensor
    log_q: Tensor

    @property
    def lengths(self) -> Tensor:
        """(T, E) branch lengths."""
        return self.log_lengths.exp()


class BranchModel(nn.Module):
    """The branch-length model of a mixture.

    Arguments:
        base: stacked base distributions, one per component.
        flow: a module that satisfies `branch.flows.Flow`.
        per_component: the flow is one for each component, and takes the number of each tree's flow as a third
            argument; else it is shared.
        flow_of_component: (A,) numbers of the components' flows, where these are several (`joined`), shared by some
            of the components or not; a component's own number if not given.
    """

    def __init__(
        self,
        base: LogNormalBase,
        flow: nn.Module,
        *,
        per_component: bool = False,
        flow_of_component: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.base = base
        self.flow = flow
        self.per_component = per_component
        self.flow_of_component = flow_of_component

    def draw(
        self,
        feature_ids: FeatureIds,
        component_of_tree: Tensor,
        components: Tensor | Pairs,
        generator: torch.Generator | JoinedGenerators,
        *,
        path: bool = False,
    ) -> BranchDraws:
        """Draw lengths for each tree from its own component; evaluate them under all of `components`.

        Arguments:
            feature_ids: (T, E, 3) features of the trees' edges; a tensor has all computed on its device.
            component_of_tree: (T,) int64.
            components: (M,) int64, the evaluated components, or pairs of a component and a tree.
            generator: source of the (T, E) normal noise.
            path: the densities of the base enter the gradient through the lengths alone; their derivative in the
                base's own table is left out (see `variational.PhyloProblem`).
        """
        noise = standard_normal(feature_ids.shape[0], feature_ids.shape[1], generator).to(self.base.table.device)
        base_sample = self.base.draw(feature_ids, component_of_tree, noise)
        log_lengths, log_abs_det = self.flow(base_sample, feature_ids, *self._flows(component_of_tree))
        jacobian = log_lengths.sum(dim=1)
        if not self.per_component:
            log_base = self.base.log_prob(feature_ids, components, base_sample, frozen=path)
            return BranchDraws(
                log_lengths=log_lengths, log_q=log_base - per_density(log_abs_det + jacobian, components)
            )
        own = self.base.own_log_prob(feature_ids, component_of_tree, base_sample, frozen=path) - log_abs_det
        if isinstance(components, Pairs):
            log_q = own[components.tree]
            other = components.component != component_of_tree[components.tree]
            which, tree = components.component[other], components.tree[other]
        else:
            log_q = own.expand(len(components), -1)
            other = components[:, None] != component_of_tree
            row, tree = other.nonzero(as_tuple=True)
            which = components[row]
        if len(tree):
            ids = feature_ids[tree if isinstance(feature_ids, Tensor) else tree.numpy()]
            of_others = self._through_inverse(ids, which, log_lengths[tree], frozen=path)
            log_q = log_q.masked_scatter(other, of_others)
        return BranchDraws(log_lengths=log_lengths, log_q=log_q - per_density(jacobian, components))

    def log_prob(self, feature_ids: FeatureIds, components: Tensor, log_lengths: Tensor) -> Tensor:
        """(M, T) log-density of given branch lengths exp(log_lengths) under each component of (M,)."""
        jacobian = log_lengths.sum(dim=1)
        if self.per_component:
            n_evaluated, n_trees = len(components), len(log_lengths)
            log_q = self._through_inverse(
                feature_ids[np.tile(np.arange(n_trees), n_evaluated)],
                components.repeat_interleave(n_trees),
                log_lengths.repeat(n_evaluated, 1),
            )
            return log_q.reshape(n_evaluated, n_trees) - jacobian
        base_sample, log_abs_det = self.flow.inverse(log_lengths, feature_ids)  # type: ignore[operator]
        log_base = self.base.log_prob(feature_ids, components, base_sample)
        return log_base - (log_abs_det + jacobian)

    def _through_inverse(
        self, feature_ids: FeatureIds, component_of_tree: Tensor, log_lengths: Tensor, *, frozen: bool = False
    ) -> Tensor:
        """(T,) log-density of log lengths (T, E), each tree under one component and its flow."""
        inverse = self.flow.inverse
        base_sample, log_abs_det = inverse(log_lengths, feature_ids, *self._flows(component_of_tree))  # type: ignore[operator]
        return self.base.own_log_prob(feature_ids, component_of_tree, base_sample, frozen=frozen) - log_abs_det

    def _flows(self, component: Tensor) -> tuple[Tensor, ...]:
        """The further argument of the flow: the number of each tree's flow, where there are several."""
        if self.flow_of_component is not None:
            return (self.flow_of_component[component],)
        return (component,) if self.per_component else ()
