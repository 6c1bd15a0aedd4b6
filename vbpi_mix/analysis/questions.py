"""Questions to a run: draws and scores of its topologies, hypotheses, trees never drawn."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vbpi_mix.analysis.posteriors import log_q_topologies
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.evaluate.topology_evidence import laplace_log_ratio, log_topology_evidence
from vbpi_mix.experiment.parameter_modes import model_at_mode
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import QUESTION_STREAM
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.phylo.constraints import Constraint, topology_constraint
from vbpi_mix.posterior import WeightedSample
from vbpi_mix.posterior.questions.credible import CredibleLevel, credible_level
from vbpi_mix.posterior.questions.hypotheses import (
    BayesFactor,
    Probability,
    TopologyDraws,
    bayes_factor,
    prior_probability,
    probability_of,
)
from vbpi_mix.seeding import torch_generator

_COMPARED_WITH = 20  # topologies that one outside the support is held against
_LAPLACE_ERROR = 0.3  # nats, of the difference of two topologies

Score = Callable[[TopologyBatch], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer of the posterior to a hypothesis on the topology.

    Arguments:
        question: question in words.
        hypotheses: constraints that it asks for, together.
        posterior: probability of the hypothesis given the data.
        prior: probability of the hypothesis under uniform topologies (those that the fit allows).
        prior_error: standard error of the prior probability; 0 where topologies were counted.
        factor: Bayes factor against all other topologies.
        level: smallest credible set that holds the tree, where the hypothesis is one topology.
    """

    question: str
    hypotheses: tuple[Constraint, ...]
    posterior: Probability
    prior: float
    prior_error: float
    factor: BayesFactor
    level: CredibleLevel | None = None


class Posterior:
    """The topologies of a run, ready for questions.

    Arguments:
        run: the run.
        sample: weighted draws of it, see `Run.weighted_sample`.
    """

    def __init__(self, run: Run, sample: WeightedSample) -> None:
        self.run, self.sample = run, sample

    @property
    def taxa(self) -> tuple[str, ...]:
        """Names."""
        return self.run.inputs.taxa

    @property
    def conditional_on(self) -> str:
        """Statement of the conditions under which every probability holds."""
        config = self.run.config
        model = (
            f"the models of {len(self.run.inputs.parts)} parts"
            if self.run.inputs.parts
            else f"the model {config.model}"
        )
        branches = str(self.run.problem.model.branch_prior)
        among = "uniform topologies"
        if config.constraints:
            among = f"uniform topologies among those that satisfy {' '.join(config.constraints)}"
        return f"the alignment {config.data_name}, {model}, {branches} branch lengths and {among}"

    @cached_property
    def draws(self) -> TopologyDraws:
        """All annealed trees with their chains, or the weighted draws of the mixture."""
        annealed, evaluation = self.run.annealed, self.sample.annealing
        if annealed is None or evaluation is None:
            draws = self.sample.draws
            kept = self.sample.weights > 0
            return TopologyDraws(
                taxa=draws.taxa,
                topologies=draws.topologies[kept],
                weights=self.sample.weights[kept],
                effective_size=draws.effective_sample_size(),
            )
        n = len(annealed.particles)
        return TopologyDraws(
            taxa=self.taxa,
            topologies=annealed.particles.topologies,
            weights=np.full(n, 1.0 / n),
            effective_size=min(evaluation.effective_size, n),
            groups=annealed.chains,
        )

    def score(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) log-probabilities of topologies under the mixture, -inf where constraints exclude them."""
        found = np.full(topologies.n_trees, -np.inf)
        allowed = self.run.problem.model.allows(topologies)
        if allowed.any():
            found[allowed] = log_q_topologies(self.run, topologies[allowed])
        return found

    @cached_property
    def scores(self) -> np.ndarray:
        """(U,) `rank` of the distinct draws."""
        return self.rank(self.draws.distinct)

    def rank(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) log probability that topologies are ranked by, -inf where constraints exclude them.

        That of the mixture, or for annealed trees of their own clade distribution with a floor.
        """
        if self.run.annealed is None:
            return self.score(topologies)
        return np.where(self.run.problem.model.allows(topologies), self._of_clades(topologies), -np.inf)

    @cached_property
    def _of_clades(self) -> Score:
        assert self.run.annealed is not None
        return _clade_score(self.run.annealed.particles, np.ones(self.draws.topologies.n_trees))

    def level(self, topology: TopologyBatch) -> CredibleLevel:
        """The smallest credible set that holds a topology.

        Annealed trees are ranked by clade distributions fitted to the trees of the other half of the chains, so that
        trees that were drawn have no advantage.
        """
        if self.run.annealed is None:
            return credible_level(self.draws, self.scores, topology.children[0], float(self.score(topology)[0]))
        if not self.run.problem.model.allows(topology)[0]:
            return CredibleLevel(better=1.0, standard_error=0.0, equal=0.0, drawn=False)
        annealed, found = self.run.annealed, []
        for half in (annealed.chains % 2 == 0, annealed.chains % 2 == 1):
            score = _clade_score(annealed.particles, (~half).astype(np.float64))
            n = int(half.sum())
            some = TopologyDraws(
                taxa=self.taxa,
                topologies=annealed.particles.topologies[half],
                weights=np.full(n, 1.0 / n),
                effective_size=self.draws.effective_size / 2,
                groups=annealed.chains[half],
            )
            found.append(credible_level(some, score(some.distinct), topology.children[0], float(score(topology)[0])))
        return CredibleLevel(
            better=float(np.mean([x.better for x in found])),
            standard_error=math.hypot(*(x.standard_error for x in found)) / len(found),
            equal=float(np.mean([x.equal for x in found])),
            drawn=any(x.drawn for x in found),
        )

    def ask(self, *hypotheses: Constraint, name: str = "") -> Answer:
        """Probability and Bayes factor of a hypothesis, or of several together.

        Arguments:
            hypotheses: constraints that are to hold at once.
            name: name in words; the constraints' own if not given.

        Raises:
            InputError: the topologies cannot be counted.
        """
        satisfied = np.all([self.draws.satisfied(h) for h in hypotheses], axis=0)
        return self._answer(
            hypotheses, name or " and ".join(h.name for h in hypotheses), probability_of(self.draws, satisfied)
        )

    def ask_topology(self, topology: TopologyBatch, *, name: str) -> Answer:
        """The same of one topology, with its credible level; also of one that is not among the draws."""
        hypothesis = topology_constraint(self.taxa, topology, name=name)
        answer = self._answer([hypothesis], name, self.probability_of_topology(topology))
        return replace(answer, level=self.level(topology))

    def probability_of_topology(self, topology: TopologyBatch) -> Probability:
        """Probability of a topology: from draws or, where they are few, by integrating over its branch lengths.

        Lengths and parameters are drawn from the mixture where its support has the topology; else Laplace's
        approximation holds it against the most probable topologies.
        """
        draws = self.draws
        same = (draws.distinct.children == topology.children[0]).all(axis=(1, 2))
        counted = probability_of(draws, same[draws.position])
        if counted.resolved or (counted.value > 0.5) or not self.run.problem.model.allows(topology)[0]:
            return counted
        generator = torch_generator(self.run.config.seed, stream=QUESTION_STREAM)
        evidence = self.sample.evaluation.marginal_likelihood
        found = log_topology_evidence(self.run.problem, topology, generator)
        if found is not None and found.standard_error < 1.0:
            error = math.hypot(found.standard_error, evidence.standard_error)
            return _log_normal(found.value - evidence.value, error, "mixture")
        order = np.argsort(-draws.probability, kind="stable")[:_COMPARED_WITH]
        others = draws.distinct[order[~same[order]]]
        mass = float(draws.probability[order[~same[order]]].sum())
        model = model_at_mode(self.run.problem, generator)
        return _log_normal(laplace_log_ratio(model, topology, others) + math.log(mass), _LAPLACE_ERROR, "Laplace")

    def _answer(self, hypotheses: Sequence[Constraint], name: str, posterior: Probability) -> Answer:
        prior, error = prior_probability(hypotheses, self.run.problem.model.constraints)
        return Answer(
            question=name,
            hypotheses=tuple(hypotheses),
            posterior=posterior,
            prior=prior,
            prior_error=error,
            factor=bayes_factor(posterior, prior),
        )


def _log_normal(log_value: float, error: float, method: str) -> Probability:
    value = min(math.exp(log_value), 1.0)
    reach = math.exp(1.96 * error)
    return Probability(
        value=value, standard_error=value * error, low=value / reach, high=min(value * reach, 1.0), method=method
    )


def _clade_score(particles, weights: np.ndarray) -> Score:  # noqa: ANN001
    reference = TreeReference(particles.take(np.flatnonzero(weights)), np.ones(int((weights > 0).sum())))
    return lambda topologies: reference.describe(topologies).log_topology
