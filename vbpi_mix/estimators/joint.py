"""One step of several mixtures at once: their particle terms stacked along a leading axis of models.

Models differ in the components that they sample and evaluate. Trees, and pairs of a tree and a component that evaluates
it, are flat lists, one model after another. Where a model has fewer components than the largest, its rows of the
stacked terms end in places that no weight counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators.bounds import normalised_log_weights, outer_weights
from vbpi_mix.estimators.objective import Objective, estimate
from vbpi_mix.estimators.plan import ComponentPlan, plan_of_subset
from vbpi_mix.estimators.terms import ParticleTerms


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Trees, and for each a component that evaluates it, in place of components that evaluate all trees.

    Arguments:
        component: (Q,) int64.
        tree: (Q,) int64, ascending.
    """

    component: Tensor
    tree: Tensor


def per_density(of_trees: Tensor, evaluated: Tensor | Pairs) -> Tensor:
    """A quantity of trees (T,) in the shape of their densities: (T,), to be broadcast over components, or (Q,)."""
    return of_trees[evaluated.tree] if isinstance(evaluated, Pairs) else of_trees


@dataclass(frozen=True, kw_only=True)
class JointDraw:
    """The components of one step of several models, numbered through all of them.

    Arguments:
        component_of_tree: (T,) int64, the component that draws each tree.
        pairs: (Q,) which components evaluate which trees.
        own: (G, S) int64, the place of each sampled component among the evaluated ones of its model.
    """

    component_of_tree: Tensor
    pairs: Pairs
    own: Tensor


class JointLayout:
    """Where the particles of G models stand in tensors of shape (G, S, K) and (G, S, K, M).

    S and M are the largest numbers of the models. Trees follow one another by model, sampled component and particle,
    and the pairs of a tree by evaluated component.

    Arguments:
        plans: a plan of each model; its numbers of components are those of every step.
        n_particles: K.
        device: where the tensors are.

    Attributes:
        n_trees: trees of each model.
        model_of_tree: (T,) int64.
        outer: (G, S) weights of the sampled components, as `bounds.outer_weights`; 0 where a model has none.
        log_weights: (G, 1, 1, M) log weights of the evaluated ones; -inf where a model has none.
    """

    def __init__(self, plans: Sequence[ComponentPlan], n_particles: int, device: torch.device) -> None:
        self.device = device
        n_sampled = torch.tensor([plan.n_sampled for plan in plans])
        n_evaluated = torch.tensor([plan.n_evaluated for plan in plans])
        s, m = int(n_sampled.max()), int(n_evaluated.max())
        self._sizes = (s, m)
        self.shape = (len(plans), s, n_particles)
        self.n_trees = (n_sampled * n_particles).tolist()
        has_tree = (torch.arange(s) < n_sampled[:, None])[:, :, None].expand(self.shape)
        has_pair = has_tree[..., None] & (torch.arange(m) < n_evaluated[:, None])[:, None, None]
        model, slot, _ = has_tree.nonzero(as_tuple=True)
        model_of_pair, _, _, place = has_pair.nonzero(as_tuple=True)
        tree_number = has_tree.flatten().cumsum(0) - 1
        self.model_of_tree = model.to(device)
        self._trees = has_tree.flatten().nonzero()[:, 0].to(device)
        self._pairs = has_pair.flatten().nonzero()[:, 0].to(device)
        self._tree_of_pair = tree_number[has_pair.flatten().nonzero()[:, 0] // m].to(device)
        self._sampled_of_tree = (model * s + slot).to(device)
        self._evaluated_of_pair = (model_of_pair * m + place).to(device)
        outer = torch.zeros(len(plans), s, dtype=torch.float64)
        log_weights = torch.full((len(plans), m), -torch.inf, dtype=torch.float64)
        for i, plan in enumerate(plans):
            outer[i, : plan.n_sampled] = outer_weights(plan, None)
            log_weights[i, : plan.n_evaluated] = normalised_log_weights(plan, None)
        self.outer, self.log_weights = outer.to(device), log_weights[:, None, None].to(device)
        self.share = (has_tree[..., 0] / n_sampled[:, None].double()).to(device)  # (G, S) for means over the sampled

    def components(self, plans: Sequence[ComponentPlan], first: Sequence[int]) -> JointDraw:
        """The components of a step; those of model g are counted from `first[g]`."""
        s, m = self._sizes
        numbers = torch.zeros(len(plans), s + m + s, dtype=torch.int64)
        for row, plan, offset in zip(numbers, plans, first, strict=True):
            row[: plan.n_sampled] = plan.sampled + offset
            row[s : s + plan.n_evaluated] = plan.evaluated + offset
            row[s + m : s + m + plan.n_sampled] = plan.sampled_positions()
        sampled, evaluated, own = numbers.to(self.device).split([s, m, s], dim=1)
        return JointDraw(
            component_of_tree=sampled.flatten()[self._sampled_of_tree],
            pairs=Pairs(component=evaluated.flatten()[self._evaluated_of_pair], tree=self._tree_of_pair),
            own=own,
        )

    def of_trees(self, values: Tensor) -> Tensor:
        """(G, S, K) values of trees (T,); 0 where there is no tree."""
        g, s, k = self.shape
        return values.new_zeros(g * s * k).index_copy(0, self._trees, values).view(g, s, k)

    def of_pairs(self, values: Tensor) -> Tensor:
        """(G, S, K, M) values of pairs (Q,); 0 where there is no pair."""
        shape = (*self.shape, self._sizes[1])
        return values.new_zeros(shape).flatten().index_copy(0, self._pairs, values).view(shape)


class JointProblem(Protocol):
    """Several problems of one kind that draw together: what `MixtureProblem` is for one."""

    def draw(
        self, plans: Sequence[ComponentPlan], layout: JointLayout, generators: Sequence[torch.Generator]
    ) -> ParticleTerms:
        """Draw K particles from every sampled component of every model, each model from its own generator."""
        ...


@dataclass(frozen=True, kw_only=True)
class JointSurrogate:
    """The result of one step of G models.

    Arguments:
        loss: scalar, the sum of the models' losses, each of which depends on its own model alone.
        losses: (G,) without gradient.
        bounds: (G,) as `Surrogate.bound`.
        ess: (G,) as `Surrogate.ess`.
        terms: stacked particle terms.
    """

    loss: Tensor
    losses: Tensor
    bounds: Tensor
    ess: Tensor
    terms: ParticleTerms


class JointObjective:
    """The objectives of several models, evaluated together; the components of a mixture have equal weights.

    Arguments:
        objectives: one for each model, of equal numbers of particles.
        device: where the problems draw.

    Raises:
        ConfigError: objectives that cannot be evaluated together.
    """

    def __init__(self, objectives: Sequence[Objective], device: torch.device) -> None:
        first = objectives[0]
        for other in objectives:
            if (other.n_particles, other.annealed) != (first.n_particles, first.annealed):
                raise ConfigError(
                    "models trained together have equal numbers of particles, annealed alike, not "
                    f"{first.n_particles} ({first.annealed}) and {other.n_particles} ({other.annealed})"
                )
            if other.n_subsets != 1 or other.n_draws != 1:
                raise ConfigError("models trained together draw one subset and one group of particles a step")
        self.objectives = tuple(objectives)
        plans = [plan_of_subset(o.estimator, torch.arange(o.n_sampled), o.n_components) for o in objectives]
        self.layout = JointLayout(plans, first.n_particles, device)

    def step(
        self,
        problem: JointProblem,
        generators: Sequence[torch.Generator],
        *,
        inverse_temperatures: Sequence[float],
    ) -> JointSurrogate:
        """Draw subsets and particles of every model, and form the losses."""
        plans = [o.plan(generator) for o, generator in zip(self.objectives, generators, strict=True)]
        terms = problem.draw(plans, self.layout, generators)
        temperature: float | Tensor = 1.0
        if any(t != 1.0 for t in inverse_temperatures):
            temperature = terms.log_likelihood.new_tensor(inverse_temperatures)[:, None, None]
        layout = self.layout
        found = estimate(
            terms,
            layout.log_weights,
            layout.outer,
            inverse_temperature=temperature,
            annealed=self.objectives[0].annealed,
        )
        return JointSurrogate(
            loss=-found.target.sum(),
            losses=-found.target.detach(),
            bounds=found.bound,
            ess=(found.ess * layout.share).sum(dim=1),
            terms=terms,
        )
