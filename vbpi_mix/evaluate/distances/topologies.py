"""Width of a distribution over topologies, and distances between two of them."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.distances import total_variation
from vbpi_mix.phylo.tree_sample import TreeSample

# the floor of the published Kullback-Leibler divergences, the spacing of float64 at 1
LOWEST_PROBABILITY = 2.2e-16


def entropy(probabilities: np.ndarray) -> float:
    """-sum p log p in nats of (T,) probabilities; zeros count nothing."""
    p = probabilities[probabilities > 0]
    return float(-(p * np.log(p)).sum())


def credible_size(probabilities: np.ndarray, level: float) -> int:
    """Number of the (T,) probabilities, largest first, that it takes to reach `level` of their sum."""
    ladder = np.cumsum(np.sort(probabilities)[::-1])
    return int(np.searchsorted(ladder, level * ladder[-1] * (1 - 1e-12)) + 1)


def kl_divergence(p: np.ndarray, log_q: np.ndarray, *, lowest: float = LOWEST_PROBABILITY) -> float:
    """sum p (log p - log max(q, lowest)), in nats.

    Arguments:
        p: (T,) probabilities, all positive.
        log_q: (T,) log-probabilities of the same topologies; -inf where there is none.
        lowest: q below it is raised to it, so that a topology without probability costs much but not everything.
    """
    return float((p * (np.log(p) - np.maximum(log_q, np.log(lowest)))).sum())


@dataclass(frozen=True, kw_only=True)
class TopologyDistance:
    """Distances of a topology distribution q from a reference p.

    Arguments:
        kl: KL(p || q) in nats, with the floor of `kl_divergence`.
        total_variation: half the sum of |p - q|: the largest difference of the probability of any set of topologies.
        unseen: mass of p on topologies that q does not have at all.
    """

    kl: float
    total_variation: float
    unseen: float


def sample_distance(reference: TreeSample, sample: TreeSample) -> TopologyDistance:
    """From the topology frequencies of two samples; what a sample has not seen has no probability in it.

    Raises:
        InputError: the taxa differ.
    """
    distance = total_variation(reference, sample)
    of_sample = dict(zip(_keys(sample), sample.probabilities().tolist(), strict=True))
    p = reference.probabilities()
    q = np.array([of_sample.get(key, 0.0) for key in _keys(reference)])
    with np.errstate(divide="ignore"):
        log_q = np.log(q)
    return TopologyDistance(kl=kl_divergence(p, log_q), total_variation=distance, unseen=float(p[q == 0].sum()))


def density_distance(reference: TreeSample, log_q: np.ndarray) -> TopologyDistance:
    """From the exact log-probabilities (T,) that a model gives to the topologies of the reference.

    What q gives to other topologies counts in the total variation as its sum.

    Raises:
        InputError: another number of log-probabilities than topologies.
    """
    if len(log_q) != reference.n_trees:
        raise InputError(f"{len(log_q)} log-probabilities for {reference.n_trees} topologies")
    p, q = reference.probabilities(), np.exp(log_q)
    return TopologyDistance(
        kl=kl_divergence(p, log_q),
        total_variation=float(0.5 * np.abs(p - q).sum() + 0.5 * max(0.0, 1 - q.sum())),
        unseen=float(p[q == 0].sum()),
    )


def _keys(sample: TreeSample) -> list[bytes]:
    return [row.tobytes() for row in sample.topologies.children]
