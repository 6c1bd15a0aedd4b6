"""Several mixtures for one alignment as one, so that a step of all of them is a step of few, large operations."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.branch import BranchModel
from vbpi_mix.branch.joined import JoinedBase, join_flows
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ComponentPlan, JointLayout, ParticleTerms
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch, random_topologies
from vbpi_mix.sbn import JoinedNetworks, index_tensor, joined_arrays, place
from vbpi_mix.seeding import JoinedGenerators
from vbpi_mix.support import EncodedTopologies
from vbpi_mix.train import JoinedTable
from vbpi_mix.variational.lengths import EdgeIds, draw_lengths
from vbpi_mix.variational.parameter_posterior import JoinedPosterior
from vbpi_mix.variational.problem import PhyloProblem, densities

_LOGITS, _TABLE, _FLOW = "mixture.networks.logits", "mixture.branches.base.table", "mixture.branches.flow."
_PARAMETERS = "mixture.parameter_posterior."


class PhyloFleet:
    """G phylogenetic problems with one target, computed together (a `train.Fleet`).

    The mixtures may differ in support, number of components, tying and estimator. Their tables follow one another along
    one axis of rows; components, features and splits are numbered through all of them. Trees are one list, and so are
    the pairs of a tree and a component that evaluates it: nothing of their densities is padded. The likelihood of all
    trees is one call.

    Topologies are drawn on the CPU, those of each model from its own generator, as `PhyloProblem.place` has it.

    Arguments:
        problems: the problems, on the CPU; their parameters are copied.
        device: where to compute.
        backend: the word of `felsenstein.BACKENDS` that computes likelihoods there.

    Attributes:
        tables: by parameter name, the tables of all problems joined.

    Raises:
        ConfigError: problems that cannot be computed together.
        BackendError: the likelihood of the model cannot be computed there.
    """

    def __init__(self, problems: Sequence[PhyloProblem], device: torch.device, *, backend: str = "triton") -> None:
        _check_alike(problems)
        self._device = device
        self._target = problems[0].model.placed(backend, device)
        self._path = problems[0].gradient == "path"
        self._mixtures = [problem.mixture for problem in problems]
        every = [dict(problem.named_parameters()) for problem in problems]
        if any(parameters.keys() != every[0].keys() for parameters in every):
            raise ConfigError("models trained together have the same kinds of parameters: give them the same flow")
        self.tables = {name: JoinedTable(name, [parameters[name] for parameters in every], device) for name in every[0]}
        self._first_component = _starts([mixture.n_components for mixture in self._mixtures])
        self._first_feature = _starts([mixture.indexer.n_features for mixture in self._mixtures])
        self._first_split = _starts([mixture.support.n_splits for mixture in self._mixtures])
        of_all = [torch.arange(mixture.n_components) for mixture in self._mixtures]
        rows = [mixture.topology_row(component) for mixture, component in zip(self._mixtures, of_all, strict=True)]
        self._networks = JoinedNetworks(
            [mixture.networks for mixture in self._mixtures], self.tables[_LOGITS].values, rows
        )
        self._branches = self._joined_branches(of_all)
        self._posterior = self._joined_posterior(of_all)

    def draw(
        self, plans: Sequence[ComponentPlan], layout: JointLayout, generators: Sequence[torch.Generator]
    ) -> ParticleTerms:
        """Draw K trees from each sampled component of every model, and evaluate them by its plan."""
        encoded = self.draw_topologies(plans, layout.shape[-1], generators)
        drawn = layout.components(plans, self._first_component)
        log_q_topology = self._networks.log_prob(place(encoded, self._device), drawn.pairs)
        components = drawn.component_of_tree, drawn.pairs
        lengths = draw_lengths(
            self._branches,
            self._posterior,
            log_q_topology,
            self._edge_ids(encoded),
            of_branches=components,
            of_parameters=None if self._posterior is None else components,
            source=JoinedGenerators(generators=tuple(generators), n_rows=tuple(layout.n_trees)),
            path=self._path,
        )
        topologies = TopologyBatch(joined_arrays([some.topologies.children for some in encoded]))
        log_likelihood, log_prior = densities(self._target, topologies, lengths.log_lengths, lengths.parameters)
        own = drawn.own[:, :, None, None].expand(*layout.shape, 1)
        return ParticleTerms(
            log_likelihood=layout.of_trees(log_likelihood),
            log_prior=layout.of_trees(log_prior),
            log_q=layout.of_pairs(lengths.log_q),
            log_q_score=layout.of_pairs(log_q_topology).gather(3, own)[..., 0],
        )

    def draw_topologies(
        self, plans: Sequence[ComponentPlan], n_particles: int, generators: Sequence[torch.Generator]
    ) -> list[EncodedTopologies]:
        """Draw K topologies from each sampled component of every model, on the CPU."""
        table = self.tables[_LOGITS]
        logits = table.values.detach().cpu()
        return [
            mixture.networks.sample(
                mixture.topology_row(plan.sampled.repeat_interleave(n_particles)),
                generator,
                log_cpd=table.of_model(i, logits),
            )
            for i, (mixture, plan, generator) in enumerate(zip(self._mixtures, plans, generators, strict=True))
        ]

    def _edge_ids(self, encoded: Sequence[EncodedTopologies]) -> EdgeIds:
        features, splits = [], []
        for mixture, some, feature, split in zip(
            self._mixtures, encoded, self._first_feature, self._first_split, strict=True
        ):
            own = mixture.indexer.feature_ids(some)
            features.append(np.where(own >= 0, own + np.int32(feature), own))
            splits.append(some.split_ids + np.int32(split))
        return EdgeIds(
            features=index_tensor(joined_arrays(features), self._device),
            splits=index_tensor(joined_arrays(splits), self._device),
        )

    def _joined_branches(self, of_all: Sequence[Tensor]) -> BranchModel:
        mixtures, n_features = self._mixtures, [mixture.indexer.n_features for mixture in self._mixtures]
        first_rows, flow_of_component, row, flow = [], [], 0, 0
        per_component = mixtures[0].branches.per_component
        for mixture, component, n, feature in zip(mixtures, of_all, n_features, self._first_feature, strict=True):
            first_rows.append(row + mixture.branch_row(component) * n - feature)
            row += mixture.branches.base.table.shape[0] * n
            flow_of_component.append(flow + component * per_component)
            flow += mixture.n_components if per_component else 1
        flow_tables = {
            name.removeprefix(_FLOW): table.values for name, table in self.tables.items() if name.startswith(_FLOW)
        }
        return BranchModel(
            JoinedBase(self.tables[_TABLE].values, torch.cat(first_rows).to(self._device)),
            join_flows([mixture.branches.flow for mixture in mixtures], flow_tables, n_features),
            per_component=per_component,
            flow_of_component=torch.cat(flow_of_component).to(self._device),
        )

    def _joined_posterior(self, of_all: Sequence[Tensor]) -> JoinedPosterior | None:
        posteriors = [m.parameter_posterior for m in self._mixtures if m.parameter_posterior is not None]
        if not posteriors:
            return None
        rows = [mixture.parameter_row(component) for mixture, component in zip(self._mixtures, of_all, strict=True)]
        parts = [self.tables[_PARAMETERS + name].values for name in ("location", "factor", "response")]
        return JoinedPosterior(posteriors, *parts, row_of_component=rows)


def _starts(sizes: Sequence[int]) -> list[int]:
    return list(accumulate(sizes[:-1], initial=0))


def _check_alike(problems: Sequence[PhyloProblem]) -> None:
    """Raise ConfigError unless the problems differ in their mixtures alone."""
    first = problems[0]
    target = _described(first.model)
    for other in problems:
        if other.model.constraints is not None:
            raise ConfigError("models trained together have no constraints: train them one at a time")
        if other.model is not first.model and _described(other.model) != target:
            raise ConfigError("models trained together have the same alignment, model of substitution and priors")
        alike = [(p.gradient, p.mixture.branches.per_component, p.mixture.indexer.kind) for p in (first, other)]
        if alike[0] != alike[1]:
            raise ConfigError("models trained together have the same gradient, features and kind of flow")


@torch.no_grad()
def _described(model: PhyloModel) -> tuple[object, ...]:
    """Densities of a few trees, which other data, models or priors give other values."""
    generator = np.random.default_rng(0)
    topologies = random_topologies(4, model.n_taxa, generator)
    lengths = torch.from_numpy(generator.exponential(0.1, (4, topologies.n_edges)))
    coordinates = model.parameters.start().expand(4, -1)
    found = model.log_likelihood(lengths, topologies, coordinates), model.log_prior(lengths, coordinates)
    return model.parameters.names, *(value for density in found for value in density.tolist())
