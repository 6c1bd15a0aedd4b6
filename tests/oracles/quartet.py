"""Exact posteriors of four taxa under JC69, by quadrature; nothing of the package's likelihood is used.

With x = exp(-4t/3) per edge, the probability of a site pattern on ((0,k),(l,m)) is

    1/4 (x_4 sum_s u_s v_s + (1 - x_4) / 4 sum_s u_s sum_s v_s),

u and v the conditional likelihoods of the two cherries, and columns fall into at most 15 classes. The integral over
the five branch lengths is a tensor Gauss-Legendre rule in y = sqrt(t): there the exponential prior and the likelihood
both fall off like a Gaussian, and everything is analytic up to the boundary at 0. The interval of each edge comes
from its posterior mean and standard deviation, found by a few coarse rounds.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vbpi_mix.phylo import Alignment, all_topologies

N_EDGES = 5
_WIDEST = np.sqrt(4.0)  # of the first round: branch lengths up to 4
_ROUNDS, _COARSE = 4, 12
_BELOW, _ABOVE = 6.5, 8.0  # standard deviations; less than 1e-9 lies beyond
_NODES_PER_DEVIATION, _FEWEST = 1.3, 6


@dataclass(frozen=True, kw_only=True)
class QuartetPosterior:
    """Exact results for four taxa, topologies as in `phylo.all_topologies(4)`, edges as in `phylo.topology`.

    Arguments:
        log_evidence_by_topology: (3,) log p(data | topology), branch lengths integrated out.
        log_evidence: log p(data), topologies weighted by 1/3.
        probabilities: (3,) posterior of the topologies.
        mean_branch_lengths: (3, 5) posterior means given the topology.
        error: largest difference of a log evidence from that of a coarser rule; an upper bound in practice.
    """

    log_evidence_by_topology: np.ndarray
    log_evidence: float
    probabilities: np.ndarray
    mean_branch_lengths: np.ndarray
    error: float


def quartet_posterior(state_sets: np.ndarray, rate: float = 10.0) -> QuartetPosterior:
    """Exact posterior of an alignment of four taxa under JC69 and exponential branch lengths.

    Arguments:
        state_sets: (4, L) uint8, one state each; columns without any data are allowed, other missing data is not.
        rate: of the exponential prior.
    """
    classes, counts = _column_classes(state_sets)
    log_evidence, means, errors = [], [], []
    for children in all_topologies(4).children.tolist():
        partner = min(children[1])  # the tip that shares the top node with taxon 0
        cherries = ((0, partner), tuple(i for i in range(1, 4) if i != partner))
        intervals, deviations = _intervals(classes, counts, cherries, rate)
        widths = (intervals[:, 1] - intervals[:, 0]) / deviations
        fine = np.ceil(_NODES_PER_DEVIATION * widths + _FEWEST).astype(int)
        value, marginals = _integrate(classes, counts, cherries, rate, intervals, fine)
        coarse, _ = _integrate(classes, counts, cherries, rate, intervals, fine - 4)
        log_evidence.append(value)
        means.append([float(weights @ y**2) for y, weights in marginals])
        errors.append(abs(value - coarse))
    by_topology = np.array(log_evidence)
    total = np.logaddexp.reduce(by_topology)
    return QuartetPosterior(
        log_evidence_by_topology=by_topology,
        log_evidence=float(total - np.log(3)),
        probabilities=np.exp(by_topology - total),
        mean_branch_lengths=np.array(means),
        error=max(errors),
    )


@lru_cache(maxsize=1)
def quartet_alignment() -> Alignment:
    """100 simulated sites whose topology is uncertain: posterior 0.66, 0.22 and 0.13."""
    generator = np.random.default_rng(4)
    above_cd = generator.integers(4, size=100)
    above_ab = _evolve(above_cd, 0.04, generator)
    lengths = {"A": 0.15, "B": 0.25, "C": 0.2, "D": 0.1}
    rows = [_evolve(above_ab if name in "AB" else above_cd, t, generator) for name, t in lengths.items()]
    return Alignment(taxa=tuple(lengths), state_sets=(1 << np.array(rows)).astype(np.uint8), source="simulated quartet")


def _evolve(states: np.ndarray, length: float, generator: np.random.Generator) -> np.ndarray:
    """States after `length` expected substitutions per site."""
    redrawn = generator.random(states.shape) < -np.expm1(-4 / 3 * length)
    return np.where(redrawn, generator.integers(4, size=states.shape), states)


def _column_classes(state_sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, 4) columns with states numbered by first appearance, and how often each occurs."""
    columns = np.asarray(state_sets).T
    if columns.shape[1:] != (4,):
        raise ValueError(f"state sets of shape {state_sets.shape}: expected (4, sites)")
    columns = columns[~(columns == 15).all(axis=1)]
    if not np.isin(columns, [1, 2, 4, 8]).all():
        raise ValueError("a column with partly missing or ambiguous data")
    labels = [[list(dict.fromkeys(column)).index(s) for s in column] for column in columns.tolist()]
    classes, counts = np.unique(np.array(labels, dtype=int).reshape(-1, 4), axis=0, return_counts=True)
    return classes, counts.astype(float)


def _intervals(classes: np.ndarray, counts: np.ndarray, cherries: tuple, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """(5, 2) intervals of y that hold the posterior, and its (5,) standard deviations."""
    intervals = np.tile([0.0, _WIDEST], (N_EDGES, 1))
    deviations = np.ones(N_EDGES)
    for _ in range(_ROUNDS):
        _, marginals = _integrate(classes, counts, cherries, rate, intervals, np.full(N_EDGES, _COARSE))
        for edge, (y, weights) in enumerate(marginals):
            mean = weights @ y
            spacing = (intervals[edge, 1] - intervals[edge, 0]) / _COARSE / 2  # a narrower peak was not resolved
            deviations[edge] = max(np.sqrt(weights @ (y - mean) ** 2), spacing)
            intervals[edge] = max(0.0, mean - _BELOW * deviations[edge]), mean + _ABOVE * deviations[edge]
    return intervals, deviations


def _integrate(
    classes: np.ndarray, counts: np.ndarray, cherries: tuple, rate: float, intervals: np.ndarray, n_nodes: np.ndarray
) -> tuple[float, list[tuple[np.ndarray, np.ndarray]]]:
    """Log integral, and per edge the nodes y with their share of it."""
    nodes, log_weights = [], []
    for (low, high), n in zip(intervals, n_nodes, strict=True):
        z, w = np.polynomial.legendre.leggauss(n)
        y = low + (high - low) * (z + 1) / 2
        nodes.append(y)
        # dt = 2 y dy, and the prior density of t
        log_weights.append(np.log(w * (high - low) / 2 * 2 * y * rate) - rate * y**2)
    x = [np.exp(-4 / 3 * y**2) for y in nodes]
    (a, b), (c, d) = cherries
    shape = tuple(n_nodes[[a, b, c, d]])
    products, sums = [], []
    for states in classes:
        u, v = (_cherry(states[i], states[j], x[i], x[j]) for i, j in cherries)
        products.append(u.reshape(-1, 4) @ v.reshape(-1, 4).T)
        sums.append(np.outer(u.sum(axis=-1), v.sum(axis=-1)))
    slices = []
    for x_inner, weight in zip(x[4], log_weights[4], strict=True):
        log_density = weight + np.zeros((shape[0] * shape[1], shape[2] * shape[3]))
        for count, product, total in zip(counts, products, sums, strict=True):
            log_density += count * np.log(0.25 * (x_inner * product + (1 - x_inner) / 4 * total))
        log_density = log_density.reshape(shape)
        for axis, edge in enumerate((a, b, c, d)):
            log_density += np.expand_dims(log_weights[edge], [i for i in range(4) if i != axis])
        largest = log_density.max()
        density = np.exp(log_density - largest)
        slices.append((largest, density.sum(), [density.sum(axis=tuple({0, 1, 2, 3} - {i})) for i in range(4)]))
    scale = max(largest for largest, _, _ in slices)
    factors = np.exp([largest - scale for largest, _, _ in slices])
    inner = factors * [total for _, total, _ in slices]
    integral = inner.sum()
    marginals = [(nodes[4], inner / integral)] * N_EDGES
    for axis, edge in enumerate((a, b, c, d)):
        share = sum(f * parts[axis] for f, (_, _, parts) in zip(factors, slices, strict=True))
        marginals[edge] = (nodes[edge], share / integral)
    return float(scale + np.log(integral)), marginals


def _cherry(first: int, second: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(len(x), len(y), 4) probability of two tips given the state above them."""

    def tip(state: int, e: np.ndarray) -> np.ndarray:
        return (1 - e[:, None]) / 4 + e[:, None] * (np.arange(4) == state)

    return tip(first, x)[:, None] * tip(second, y)[None]
