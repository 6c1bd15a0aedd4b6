"""A model's likelihood and priors in the form that the compiled moves take."""

import math
from dataclasses import replace

import numpy as np
import torch

from vbpi_mix.anneal.edge_kernels import Target
from vbpi_mix.anneal.reference_kernels import Reference
from vbpi_mix.anneal.rules import make_rules
from vbpi_mix.anneal.tree_reference import no_reference
from vbpi_mix.errors import ConfigError
from vbpi_mix.felsenstein.cpu.blocks import pattern_blocks
from vbpi_mix.felsenstein.cpu.wide_backend import padded, padded_rows
from vbpi_mix.felsenstein.cpu.wide_rows import width_of
from vbpi_mix.felsenstein.local.edges import EdgePrior
from vbpi_mix.felsenstein.local.messages import Blocks, Spectra
from vbpi_mix.felsenstein.local.rows import BLOCK
from vbpi_mix.felsenstein.local.tree import Messages, make_messages, set_tips
from vbpi_mix.felsenstein.parametric import reversible_spectra
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.part import Part
from vbpi_mix.model.priors import BranchPrior, ExponentialBranchPrior, GammaDirichletBranchPrior
from vbpi_mix.model.rate_matrices import rate_matrix
from vbpi_mix.model.substitution import ReversibleModel
from vbpi_mix.phylo import SitePatterns


class LocalModel:
    """Site patterns in blocks, and spectra of the substitution models of any number of trees.

    Arguments:
        model: likelihood and priors; rate categories, invariant sites and parts with any number of states.

    Attributes:
        blocks: see `felsenstein.local.messages`.
        states: (B, N, BLOCK) state sets of all parts.
        width: states of the part that has most, filled up to a multiple of four.
        rules: rules that topologies must satisfy.
        prior: prior of the branch lengths.
        n_categories: number of categories of all parts together.
        n_rows: number of rows of one message.
        n_sites: number of sites of all parts.
    """

    def __init__(self, model: PhyloModel) -> None:
        self.model = model
        found = [_part_blocks(part) for part in model.parts]
        self.states = np.ascontiguousarray(np.concatenate([states for states, _, _ in found]))
        n_blocks = [len(weights) for _, weights, _ in found]
        n_categories = [_n_categories(part) for part in model.parts]
        first_category = np.concatenate([[0], np.cumsum(n_categories)])
        category = [
            first_category[i] + c for i, n in enumerate(n_blocks) for _ in range(n) for c in range(n_categories[i])
        ]
        weights = np.ascontiguousarray(np.concatenate([weights for _, weights, _ in found]))
        widths = np.array([width_of(part.patterns.n_states) for part in model.parts])
        self.width = int(widths.max())
        codes, sets = _state_sets(self.states, self.width)
        rows_of_block = np.repeat(n_categories, n_blocks)
        self.blocks = Blocks(
            weights=weights,
            single=(weights == 1.0).all(axis=1),
            first_row=np.concatenate([[0], np.cumsum(rows_of_block)]).astype(np.int64),
            part=np.repeat(np.arange(len(n_blocks)), n_blocks).astype(np.int64),
            category=np.array(category, dtype=np.int64),
            first_category=first_category.astype(np.int64),
            width=np.repeat(widths, n_blocks),
            widths=widths,
            variable=np.concatenate([variable for _, _, variable in found]),
            codes=codes,
            sets=sets,
        )
        self.n_categories = int(first_category[-1])
        self.n_rows = len(category)
        self.n_sites = sum(part.patterns.n_sites for part in model.parts)
        self.rules = make_rules(model.constraints)
        self.prior = edge_prior(model.branch_prior, model.n_taxa)

    def messages(self) -> Messages:
        """Room for the messages of a tree, with those of the tips."""
        n_codes = self.blocks.sets.shape[1]
        work = make_messages(self.model.n_taxa, self.n_rows, self.n_categories, self.width, n_codes)
        set_tips(self.states, self.blocks, work.rows)
        return work

    def spectra(self, coordinates: np.ndarray) -> list[Spectra]:
        """One for each of T trees with coordinates (T, d) of the parameters.

        Raises:
            ConfigError: coordinates of another number of parameters.
        """
        at = torch.from_numpy(np.ascontiguousarray(coordinates))
        n_trees = len(at)
        space = self.model.parameters
        space.check(at, n_trees)
        rates = space.multipliers(at) if space.n_coordinates else None
        values, left, right, weights, frequencies = [], [], [], [], []
        for i, part in enumerate(self.model.parts):
            multiplier = part.rate * (np.ones(n_trees) if rates is None else rates[:, i].numpy())
            matrix, pi, category_rates, category_weights = _models(part, space.of_part(i, at), n_trees)
            v, a, b = reversible_spectra(matrix, pi)
            by_category = v[:, None, :] * (category_rates * multiplier[:, None])[:, :, None]
            values.append(padded_rows(by_category, self.width))
            left.append(padded(a, self.width))
            right.append(padded(b, self.width))
            weights.append(category_weights)
            frequencies.append(padded_rows(pi, self.width))
        joined = np.concatenate(values, axis=1), np.stack(left, axis=1), np.stack(right, axis=1)
        of_all = (*joined, np.concatenate(weights, axis=1), np.stack(frequencies, axis=1))
        return [Spectra(*(np.ascontiguousarray(x[t]) for x in of_all)) for t in range(n_trees)]

    def target(
        self, spectra: Spectra, typical: np.ndarray, *, reference: Reference | None = None, beta: float = 1.0
    ) -> Target:
        """Density that the moves of one tree leave invariant."""
        return Target(self.blocks, spectra, self.prior, reference or no_reference(), float(beta), typical, self.rules)


def edge_prior(prior: BranchPrior, n_taxa: int) -> EdgePrior:
    """The prior as powers of lengths and an exponential.

    Raises:
        ConfigError: a prior of another form.
    """
    if isinstance(prior, ExponentialBranchPrior):
        return EdgePrior(0.0, prior.rate, 0.0, 0.0)
    if isinstance(prior, GammaDirichletBranchPrior):
        total = prior.concentration * (n_taxa + prior.inner * (n_taxa - 3))
        return EdgePrior(
            prior.shape - total, prior.rate, prior.concentration - 1, prior.concentration * prior.inner - 1
        )
    raise ConfigError(f"local moves know exponential and compound Dirichlet priors of branch lengths, not {prior}")


def _part_blocks(part: Part) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """State sets, weights and `Blocks.variable` of a part's blocks; the last is that of constant patterns with +ASC."""
    states, weights = _blocks(part.patterns)
    variable = np.zeros(len(states))
    if not part.ascertained:
        return states, weights, variable
    data_type = part.patterns.data_type
    constant = np.full((1, *states.shape[1:]), data_type.missing, dtype=states.dtype)
    constant[0, :, : data_type.n_states] = 1 << np.arange(data_type.n_states, dtype=np.uint64)
    of_constant = np.zeros((1, weights.shape[1]))
    of_constant[0, : data_type.n_states] = 1.0
    return (
        np.concatenate([states, constant]),
        np.concatenate([weights, of_constant]),
        np.concatenate([variable, [part.patterns.n_sites]]),
    )


def _blocks(patterns: SitePatterns) -> tuple[np.ndarray, np.ndarray]:
    """(B, N, BLOCK) state sets and (B, BLOCK) weights, patterns of equal weight next to each other.

    Missing data that fill up the last block get the weight of the pattern before them.
    """
    order = np.argsort(patterns.weights, kind="stable")
    ordered = replace(patterns, state_sets=patterns.state_sets[:, order], weights=patterns.weights[order])
    states, weights = pattern_blocks(ordered, BLOCK)
    weights = weights.copy()
    filled = int((ordered.weights > 0).sum()) % BLOCK
    if filled:
        weights[-1, filled:] = weights[-1, filled - 1]
    return states, weights


def _state_sets(states: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """`Blocks.codes` and `Blocks.sets` of state sets (B, N, BLOCK)."""
    if width == 4:
        return np.zeros((0, 0, 0), dtype=np.uint16), np.zeros((4, 0))
    found, codes = np.unique(states, return_inverse=True)
    sets = np.zeros((width, width_of(len(found))))
    sets[:, : len(found)] = (found.astype(np.uint64) >> np.arange(width, dtype=np.uint64)[:, None]) & np.uint64(1)
    return codes.reshape(states.shape).astype(np.uint16), sets


def _n_categories(part: Part) -> int:
    if part.family is not None:
        return part.family.specification.n_categories
    return len(part.model.category_weights())  # type: ignore[union-attr]  # no family


def _models(part: Part, coordinates: torch.Tensor, n_trees: int) -> tuple[np.ndarray, ...]:
    """Rate matrices (T, n, n), frequencies (T, n), category rates and weights (T, C) of one part."""
    if part.family is not None:
        models = part.family.models(coordinates)
        found = (models.rate_matrices(), models.frequencies, models.category_rates(), models.category_weights())
        return tuple(x.numpy() for x in found)
    model = part.model
    if isinstance(model, ReversibleModel):
        matrix = rate_matrix(model.exchangeabilities, model.frequencies)
        rates = model.site_rates.rates()
    else:
        matrix, rates = torch.full((4, 4), 1 / 3, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        matrix.fill_diagonal_(-1.0)
    found = (matrix, model.root_frequencies(), rates, model.category_weights())  # type: ignore[union-attr]
    return tuple(x.detach().numpy()[None].repeat(n_trees, axis=0) for x in found)


def typical_lengths(log_lengths: np.ndarray) -> np.ndarray:
    """(2,) median log lengths of tips' edges and inner ones, of trees (T, E)."""
    n_taxa = (log_lengths.shape[1] + 3) // 2
    return np.array([np.median(log_lengths[:, :n_taxa]), np.median(log_lengths[:, n_taxa:])]).clip(-12.0, math.log(5.0))
