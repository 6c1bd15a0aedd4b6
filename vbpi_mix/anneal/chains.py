"""Markov chains of trees that move by local changes, several at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from vbpi_mix.anneal.block_kernels import Redraws
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.redraw_kernels import redraw
from vbpi_mix.anneal.reference_kernels import Reference
from vbpi_mix.anneal.target import LocalModel
from vbpi_mix.anneal.tree_reference import TreeReference, heated_reference
from vbpi_mix.anneal.trees import canonical_tree, moving_tree, radius_of, taxon_keys
from vbpi_mix.anneal.walk_kernels import walk
from vbpi_mix.felsenstein.local.tree import Messages
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.threads import get_threads, run_tasks

_FAR = 12  # edges
_N_LIKE = 8  # trees
_TAILS = 4.0  # degrees of freedom of the t distribution that parameters are drawn from
_ACCEPTED = 0.3  # share of steps of parameters
_SIZES = 1.0  # standard deviation of the logarithm of the sizes of random steps: long tails need some large ones
_ALONE = 3  # times as many steps of the random walk where there are no others
_N_COUNTS = 7
_NUMBERS = ("factor", "renewed", "accepted", "tried")


@dataclass(frozen=True, kw_only=True)
class WalkSettings:
    """Settings of the moves of a tree.

    Arguments:
        rearrangements: share of the inner edges moved at where interchanges are tried, and not only lengths; ...
        substitutions: ... fewer of longer edges, down to a quarter, and halfway there of edges with so many expected
            substitutions; unless trees go uphill or are on the way to the posterior, where an edge may be long and
            wrong.
        regrafts: share of the edges at which a regraft of the clade below is tried, once a round.
        regrafts_beside: the same where blocks are drawn anew, too. Hardly any regraft is accepted there, and those at a
            fifth of the edges take as long as all other moves.
        radius: radius of the regrafts, in edges, ...
        beyond: ... and nats: no place is looked at behind nodes where the clade is so much worse off.
        far: share of the regrafts that choose among places farther away, ...
        far_places: ... about so many of them. Trees like ladders need all edges of a hundred taxa.
        far_beyond: nats; the same as `beyond`, of the places farther away, unless regrafts go uphill.
        middles: number of places for a clade whose likelihood is calculated in the middle of their edge, and not at
            its ends alone.
        passes: number of passes over all clades after each walk in which blocks are drawn anew, where it is known from
            what. One takes a tenth of the time of a walk or less.
    """

    rearrangements: float = 1.0
    substitutions: float = 20.0
    regrafts: float = 0.2
    regrafts_beside: float = 0.05
    radius: int = 3
    beyond: float = 60.0
    far: float = 0.15
    far_places: int = 250
    far_beyond: float = 150.0
    middles: int = 4
    passes: int = 8


class Walker:
    """Moves trees by walks over their edges, one tree a thread.

    Arguments:
        model: likelihood and priors.
        like: trees like those that will be moved, which say how many places are how far away; if not given, few taxa
            are expected.
        settings: settings of the moves.

    Attributes:
        counts: (7,) since the beginning, see `walk_kernels.walk` and `redraw_kernels.redraw`.
        far_radius: far radius of the far regrafts, in edges.
    """

    def __init__(
        self, model: PhyloModel, like: TopologyBatch | None = None, settings: WalkSettings | None = None
    ) -> None:
        self.model = model
        self.local = LocalModel(model)
        self.settings = settings or WalkSettings()
        self.far_radius = _FAR if like is None else radius_of(like[:_N_LIKE], self.settings.far_places)
        self.counts = np.zeros(_N_COUNTS, dtype=np.int64)
        self._keys = taxon_keys(model.n_taxa)
        self._spare: list[Messages] = []

    def move(
        self,
        particles: Particles,
        generators: Sequence[np.random.Generator],
        *,
        rounds: float,
        typical: np.ndarray,
        beta: float = 1.0,
        reference: Reference | None = None,
        greedy: bool = False,
        search: bool = False,
        redraws: Redraws | None = None,
    ) -> Particles:
        """Particles after so many rounds over their edges, parameters fixed.

        Arguments:
            particles: P of them.
            generators: one for each.
            rounds: a round passes every edge once downward and once upward.
            typical: (2,) see `target.typical_lengths`; part of the moves, so fixed while one samples.
            beta: place on the path from the reference to the posterior, ...
            reference: ... or, if not given, power of the posterior.
            greedy: go uphill, without regrafts.
            search: regrafts go uphill, to places far away.
            redraws: what blocks of the trees are drawn anew from afterwards, if at all.
        """
        n, n_edges = self.model.n_taxa, particles.log_lengths.shape[1]
        spectra = self.local.spectra(particles.coordinates)
        children = np.empty((len(particles), n - 2, 2), dtype=np.int32)
        log_lengths = np.empty_like(particles.log_lengths)
        values = np.empty(len(particles))
        counts = np.zeros((len(particles), _N_COUNTS), dtype=np.int64)
        n_steps = max(1, round(rounds * 2 * n_edges))
        any_root = reference is None and not len(self.local.rules.group)
        heated = beta < 1.0 and reference is None
        if heated:
            reference = heated_reference()
        lengths = np.exp(particles.log_lengths)
        settings = self.settings
        regrafts = settings.regrafts if redraws is None else settings.regrafts_beside
        if (beta < 1.0 and not heated) or greedy or n <= 4:
            regrafts = 0.0
        far, far_beyond = (1.0, math.inf) if search else (settings.far, settings.far_beyond)
        rearrangements = 1.0 if greedy else settings.rearrangements
        certainty = 0.0 if greedy or search or beta < 1.0 else self.local.n_sites / settings.substitutions

        def task(i: int, work: Messages) -> None:
            tree = moving_tree(particles.topologies.children[i], lengths[i], self._keys)
            target = self.local.target(spectra[i], typical, reference=reference, beta=beta)
            values[i] = walk(
                tree, work, target, n_steps, rearrangements, certainty, regrafts, settings.radius,
                settings.beyond, far, self.far_radius, far_beyond, settings.middles, search, greedy, any_root,
                counts[i], generators[i],
            )  # fmt: skip
            if redraws is not None:
                values[i] = redraw(tree, work, target, redraws, settings.passes, counts[i, -2:], generators[i])
            children[i], moved = canonical_tree(tree)
            log_lengths[i] = np.log(moved)

        def bound(i: int):  # noqa: ANN202
            return lambda work: task(i, work)

        used: list[Messages] = []

        def workspace() -> Messages:
            try:
                work = self._spare.pop()
            except IndexError:
                work = self.local.messages()
            used.append(work)
            return work

        run_tasks([bound(i) for i in range(len(particles))], workspace, get_threads())
        self._spare += used  # tens of megabytes or more, whose pages are there now
        self.counts += counts.sum(axis=0)
        return Particles(
            topologies=TopologyBatch(children),
            log_lengths=log_lengths,
            coordinates=particles.coordinates,
            log_likelihood=values,
        )


class ParameterSpread(NamedTuple):
    """What is known of the parameters' coordinates u.

    Arguments:
        mean: (d,) of u.
        covariance: (d, d) of u.
    """

    mean: np.ndarray
    covariance: np.ndarray


class Scaling:
    """Random steps of the parameters and of the tree length, all particles at once.

    Steps of two kinds take turns. A random walk moves the coordinates u and a common shift of all log lengths, with the
    covariance of u and the mean log length among particles, and sizes that are random about a factor, which is tuned
    while `adapting`. Where the mean of u is known, too, every second step draws u from the t distribution with this
    mean and covariance, or, where such draws would be accepted too rarely, moves it part of the way to one (`renewed`,
    tuned, too); all log lengths are shifted along their regression on u. That step is reversible with respect to the t
    distribution, so the acceptance ratio tells only how the posterior differs from it. Without a mean there are more
    steps of the walk.

    Arguments:
        model: likelihood and priors.
        known: mean and covariance of u, where something is known of them before.
    """

    def __init__(self, model: PhyloModel, known: ParameterSpread | None = None) -> None:
        self.model = model
        d = model.parameters.n_coordinates + 1
        self.factor = 2.38 / math.sqrt(d)
        self.renewed = 1.0
        self.root = np.diag(np.full(d, 0.1))
        self.root[-1, -1] = 1.0 / math.sqrt(model.n_sites)
        self.centre = np.full(d - 1, np.nan)
        if known is not None:
            self.root[:-1, :-1] = np.linalg.cholesky(known.covariance)
            self.centre = known.mean
        self._n = 0
        self._mean = np.zeros(d)
        self._sum = np.zeros((d, d))
        self.accepted = self.tried = 0

    def learn(self, particles: Particles) -> None:
        """Take note of particles, and step by the mean and the covariance of all noted so far."""
        for z in np.column_stack([particles.coordinates, particles.log_lengths.mean(axis=1)]):
            self._n += 1
            away = z - self._mean
            self._mean += away / self._n
            self._sum += np.outer(away, z - self._mean)
        d = len(self._mean)
        if self._n > 10 * d:
            covariance = self._sum / self._n
            self.root = np.linalg.cholesky(covariance + 1e-6 * np.diag(np.diag(covariance)) + 1e-12 * np.eye(d))
            self.centre = self._mean[:-1].copy()

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Numbers and arrays that a step depends on."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        arrays = {"root": self.root, "centre": self.centre, "mean": self._mean, "sum": self._sum}
        return numbers | {"n": self._n}, arrays

    def restore(self, numbers: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` gave."""
        for name in _NUMBERS:
            setattr(self, name, type(getattr(self, name))(numbers[name]))
        self._n = int(numbers["n"])
        self.root, self.centre = arrays["root"], arrays["centre"]
        self._mean, self._sum = arrays["mean"], arrays["sum"]

    def forget(self) -> None:
        """Begin anew to take note."""
        self._n, self._mean, self._sum = 0, np.zeros_like(self._mean), np.zeros_like(self._sum)

    @torch.no_grad()
    def move(
        self,
        particles: Particles,
        generator: np.random.Generator,
        *,
        adapting: bool = False,
        steps: int = 1,
        reference: TreeReference | None = None,
        beta: float = 1.0,
    ) -> Particles:
        """Particles after `steps` proposals each.

        Arguments:
            particles: P of them.
            generator: source of the draws.
            adapting: tune the steps.
            steps: number of steps, half of them of each kind; without a mean three times as many of the walk.
            reference: density at which the path begins.
            beta: place on the path from the reference to the posterior; without a reference, power of the posterior.
        """
        x, u = particles.log_lengths, particles.coordinates
        likelihood = particles.log_likelihood
        density = PathDensity(self.model, particles.topologies, reference, beta)
        value = density.value(x, u, likelihood)
        power = beta if reference is None else 1.0
        by_turns = u.shape[1] > 0 and not np.isnan(self.centre).any()
        for step in range(steps if by_turns else _ALONE * steps):
            draws = generator.standard_normal((len(x), len(self.root)))
            renewing = by_turns and step % 2 == 0
            change, log_ratio = (
                self._towards(u, draws[:, :-1], power, generator) if renewing else self._walk(draws, generator)
            )
            new_x, new_u = x + change[:, -1:], u + change[:, :-1]
            new_likelihood = density.log_likelihood(new_x, new_u)
            new_value = density.value(new_x, new_u, new_likelihood)
            with np.errstate(invalid="ignore"):
                accept = np.log(1.0 - generator.random(len(x))) < new_value - value + log_ratio
            x, u = np.where(accept[:, None], new_x, x), np.where(accept[:, None], new_u, u)
            value, likelihood = np.where(accept, new_value, value), np.where(accept, new_likelihood, likelihood)
            self.accepted += int(accept.sum())
            self.tried += len(x)
            if adapting:
                tuned = math.exp(0.5 * (accept.mean() - _ACCEPTED))
                if renewing:
                    self.renewed = min(1.0, self.renewed * tuned)
                else:
                    self.factor *= tuned
        return replace(particles, log_lengths=x, coordinates=u, log_likelihood=likelihood)

    def _walk(self, draws: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, float]:
        """Change (P, d + 1) by a random walk, which is symmetric: the log ratio of its densities is 0."""
        sizes = self.factor * np.exp(_SIZES * generator.standard_normal((len(draws), 1)))
        return sizes * draws @ self.root.T, 0.0

    def _towards(
        self, u: np.ndarray, draws: np.ndarray, power: float, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change (P, d + 1) towards a draw of the t distribution; log ratio (P,) of its densities, old to new.

        A t variable is a normal one with a random scale. Given u the scale is drawn, and given the scale u is moved.
        """
        inner = self.root[:-1, :-1]
        wide = inner / math.sqrt(power)
        now = np.linalg.solve(wide, (u - self.centre).T).T  # of the t distribution, as far as that holds
        size = _TAILS + (now**2).sum(axis=1)
        spread = np.sqrt(0.5 * size / generator.standard_gamma(0.5 * (_TAILS + u.shape[1]), len(u)))
        new = math.sqrt(1.0 - self.renewed**2) * now + self.renewed * spread[:, None] * draws
        change = (new - now) @ wide.T
        slope = np.linalg.solve(inner.T, self.root[-1, :-1])  # of the mean log length on u
        log_ratio = 0.5 * (_TAILS + u.shape[1]) * np.log((_TAILS + (new**2).sum(axis=1)) / size)
        return np.column_stack([change, change @ slope]), log_ratio


class PathDensity:
    """Densities of P topologies' log lengths and coordinates on the path from a reference to the posterior.

    Arguments:
        model: likelihood and priors.
        topologies: P of them.
        reference: density at which the path begins; None: powers of the posterior are taken of the density of lengths.
        beta: place on it, or the power.
    """

    def __init__(
        self, model: PhyloModel, topologies: TopologyBatch, reference: TreeReference | None, beta: float
    ) -> None:
        self.model, self.topologies, self.reference, self.beta = model, topologies, reference, beta
        self._said = None if reference is None else reference.describe(topologies)

    @torch.no_grad()
    def log_likelihood(self, log_lengths: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """(P,) of log lengths (P, E) and coordinates (P, d)."""
        lengths, at = torch.from_numpy(np.exp(log_lengths)), torch.from_numpy(np.ascontiguousarray(coordinates))
        device = self.model.device
        value = self.model.log_likelihood(lengths.to(device), self.topologies, at.to(device))
        return value.cpu().numpy()

    @torch.no_grad()
    def log_posterior(self, log_lengths: np.ndarray, coordinates: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
        """(P,) log joint density of data, tree, log lengths and coordinates."""
        lengths, at = torch.from_numpy(np.exp(log_lengths)), torch.from_numpy(np.ascontiguousarray(coordinates))
        return likelihood + self.model.log_prior(lengths, at).numpy() + log_lengths.sum(axis=1)

    def log_reference(self, log_lengths: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """(P,) log density of the reference."""
        assert self.reference is not None
        assert self._said is not None
        return self._said.log_prob(log_lengths) + self.reference.parameter_log_prob(coordinates)

    def value(self, log_lengths: np.ndarray, coordinates: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
        """(P,) log density on the path."""
        posterior = self.log_posterior(log_lengths, coordinates, likelihood)
        if self.beta == 1.0:
            return posterior
        if self.reference is None:
            return self.beta * posterior + (1.0 - self.beta) * log_lengths.sum(axis=1)
        return self.beta * posterior + (1.0 - self.beta) * self.log_reference(log_lengths, coordinates)
