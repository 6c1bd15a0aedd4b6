"""Single topologies that stand for a posterior: the most probable one, and the nearest to all others."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vbpi_mix.anneal.trees import split_hashes
from vbpi_mix.evaluate.clade_distribution import clade_distribution
from vbpi_mix.phylo import Topology, TopologyBatch, nni_neighbours
from vbpi_mix.phylo.clades import unique_rows
from vbpi_mix.posterior.questions.hypotheses import TopologyDraws

_STEPS = 100
_MOST = 2000  # distinct topologies that clade distributions are fitted to, the most probable ones


@dataclass(frozen=True, kw_only=True)
class Centre:
    """A topology.

    Arguments:
        topology: the topology.
        value: value that is best in this tree: log probability, or mean Robinson-Foulds distance to the posterior's
            trees.
        probability: share of the draws that are this topology.
        drawn: whether there are any.
    """

    topology: Topology
    value: float
    probability: float
    drawn: bool


def most_probable(draws: TopologyDraws, log_prob: Callable[[TopologyBatch], np.ndarray]) -> Centre:
    """The topology that a distribution makes most probable.

    From the best of all draws and of the most probable trees of CCD1 and CCD0, nearest-neighbour interchanges go
    uphill.

    Arguments:
        draws: T topologies.
        log_prob: log probability of topologies (T,), -inf where they are impossible; constraints are the caller's
            business.
    """
    some = _heaviest(draws)
    models = [clade_distribution(draws.distinct[some], draws.probability[some], model=m) for m in ("ccd1", "ccd0")]
    extra = np.stack([m.most_probable()[0].children for m in models])
    every = TopologyBatch(np.concatenate([draws.distinct.children, extra]))
    values = log_prob(every)
    best = int(values.argmax())
    topology, value = every[[best]], float(values[best])
    for _ in range(_STEPS):
        near = nni_neighbours(topology)
        around = log_prob(near) if near.n_trees else np.array([-np.inf])
        if not around.max() > value:
            break
        topology, value = near[[int(around.argmax())]], float(around.max())
    return _centre(draws, topology, value)


def medoid(draws: TopologyDraws, allows: Callable[[TopologyBatch], np.ndarray] | None = None) -> Centre:
    """The topology with the smallest mean Robinson-Foulds distance to the trees of the posterior.

    The mean distance is 2 (N - 3) - 2 sum of the frequencies of its splits. The best tree of all that can be made of
    the drawn trees' clades is found exactly; the best draw is taken where that one is not allowed.

    Arguments:
        draws: T topologies.
        allows: topologies that are possible, (T,) bool; all if not given.
    """
    n = draws.distinct.n_taxa
    some = _heaviest(draws)
    graph = clade_distribution(draws.distinct[some], draws.probability[some], model="ccd0")
    topology = graph.largest_frequencies()[0].batch()
    if allows is not None and not allows(topology)[0]:
        inner = draws.distinct.clades()[:, n:]
        distinct, number = unique_rows(inner.reshape(-1, inner.shape[2]))
        frequency = np.bincount(number, np.repeat(draws.probability, n - 3), len(distinct))
        topology = draws.distinct[[int(frequency[number].reshape(-1, n - 3).sum(axis=1).argmax())]]
    return _centre(draws, topology, mean_distance(draws, topology))


def mean_distance(draws: TopologyDraws, topology: TopologyBatch) -> float:
    """Mean Robinson-Foulds distance of a single topology to the trees of the posterior."""
    n = topology.n_taxa
    common = np.isin(split_hashes(draws.distinct), split_hashes(topology)).sum(axis=1)
    return float(draws.probability @ (2 * (n - 3) - 2 * common)) if n > 3 else 0.0


def _heaviest(draws: TopologyDraws) -> np.ndarray:
    return np.argsort(-draws.probability, kind="stable")[:_MOST]


def _centre(draws: TopologyDraws, topology: TopologyBatch, value: float) -> Centre:
    same = (draws.distinct.children == topology.children[0]).all(axis=(1, 2))
    return Centre(
        topology=next(iter(topology)),
        value=value,
        probability=float(draws.probability[same].sum()),
        drawn=bool(same.any()),
    )
