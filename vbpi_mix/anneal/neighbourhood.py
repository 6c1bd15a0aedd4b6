"""The neighbours of a tree, each with the five edges round the change at their best lengths."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.anneal.target import LocalModel
from vbpi_mix.anneal.trees import moving_tree, taxon_keys
from vbpi_mix.felsenstein.local.messages import Spectra
from vbpi_mix.felsenstein.local.neighbours import score_interchanges


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """Log densities in the log lengths (`start.lengths`) of a tree's nearest-neighbour interchanges.

    Arguments:
        log_density: (2 (N-3),) of the neighbours, in the order of `phylo.nni_neighbours`.
        log_lengths: (2 (N-3), 5) of the inner edge, of the sibling, the first and second child, and the parent, named
            as they stand in the tree.
    """

    log_density: np.ndarray
    log_lengths: np.ndarray


class NeighbourScorer:
    """Scores all interchanges of one tree after the other, in room that is made once.

    Arguments:
        local: patterns and priors.
        spectra: the models.
    """

    def __init__(self, local: LocalModel, spectra: Spectra) -> None:
        self.local, self.spectra = local, spectra
        n = local.model.n_taxa
        self._work = local.messages()
        self._keys = taxon_keys(n)
        ones = torch.ones(1, 2 * n - 3, dtype=torch.float64)
        at_ones = local.prior.power * math.log(2 * n - 3) - local.prior.rate * (2 * n - 3)
        self._constant = float(local.model.branch_prior.log_prob(ones)[0]) - at_ones

    def score(self, children: np.ndarray, log_lengths: np.ndarray, *, sweeps: int = 1) -> Neighbourhood:
        """Score the neighbours of a tree.

        Arguments:
            children: (N-2, 2) canonical.
            log_lengths: (E,).
            sweeps: over the outer edges, see `score_interchanges`; one is 0.1 nats from the best lengths, as a rule.
        """
        n = self.local.model.n_taxa
        tree = moving_tree(children, np.exp(log_lengths), self._keys)
        scores, lengths = np.empty((2 * n - 2, 2)), np.empty((2 * n - 2, 2, 5))
        score_interchanges(tree, self._work, self.spectra, self.local.blocks, self.local.prior, scores, lengths, sweeps)
        inner = slice(n, 2 * n - 3)
        return Neighbourhood(
            log_density=scores[inner].reshape(-1) + self._constant,
            log_lengths=lengths[inner].reshape(-1, 5),
        )
