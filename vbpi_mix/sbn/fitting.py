"""Fitting subsplit Bayesian networks to weighted topologies: simple average and expectation-maximisation."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.clock import time_is_up
from vbpi_mix.compiled import kernel
from vbpi_mix.errors import ConfigError, SupportError
from vbpi_mix.sbn.kernels import root_everywhere, tree_entries, usage
from vbpi_mix.support.encode import EncodedTopologies
from vbpi_mix.support.subsplit_support import SubsplitSupport
from vbpi_mix.threads import get_threads, run_tasks

# partial sums of the E-step: a fixed number, so that results do not depend on the number of threads ...
_N_PARTS = 8
# ... unless the tables are so large that this many numbers would not hold them
_LARGEST_BUFFER = 2**25


@dataclass(frozen=True, kw_only=True)
class FittedNetworks:
    """Networks that `em` fitted.

    Arguments:
        logits: (A, n_params) float64 normalised log-probabilities, to start `SubsplitBayesianNetworks` from;
            -inf occurs only where no pseudo-count was used.
        component_weights: (A,) float64, uniform unless they were learned.
        log_likelihoods: (iterations + 1,) weighted mean log q of the topologies at the start and after each iteration.
        objectives: (iterations + 1,) what each iteration raises: the same plus the pseudo-counts' part.
    """

    logits: Tensor
    component_weights: Tensor
    log_likelihoods: np.ndarray
    objectives: np.ndarray


def simple_average(
    support: SubsplitSupport, encoded: EncodedTopologies, weights: np.ndarray, *, pseudo_count: float = 1e-6
) -> Tensor:
    """(1, n_params) log tables: every pair's frequency when each topology's rootings count alike.

    Each topology's weight is spread evenly over those of its rootings that the support represents.

    Arguments:
        support: the support that the topologies were encoded in.
        encoded: T distinct topologies, each with at least one rooting in the support.
        weights: (T,) not negative; only their proportions matter.
        pseudo_count: added to each table, divided evenly among its entries, in units of the total weight; keeps
            entries that no topology uses alive, and makes tables that few use flatter. 0: such entries get -inf.

    Raises:
        SupportError, ConfigError: see `em`.

    References:
        Zhang and Matsen, Generalizing tree probability estimation via Bayesian networks, NeurIPS 2018, eq. 7.
    """
    shares = _checked_weights(support, encoded, weights, pseudo_count)
    flat = np.zeros((1, support.n_params))  # every rooting the same: posterior shares are uniform
    counts = _expected_usage(support, encoded, shares, flat, np.zeros(1))[0]
    return torch.from_numpy(_tables_from_counts(support, counts, pseudo_count))


def em(
    support: SubsplitSupport,
    encoded: EncodedTopologies,
    weights: np.ndarray,
    *,
    n_components: int = 1,
    n_iterations: int = 60,
    generator: torch.Generator,
    pseudo_count: float = 1e-6,
    noise: float = 0.5,
    tolerance: float = 0.0,
    learn_component_weights: bool = False,
    until: float | None = None,
) -> FittedNetworks:
    """Fit a mixture of A networks to weighted topologies by expectation-maximisation.

    Hidden are the component and the rooting of each topology. Without pseudo-counts the weighted log-likelihood,
    that is minus the Kullback-Leibler divergence from the weighted topologies up to a constant, never falls; with
    them the same holds for the objective, which adds, over components, tables and their entries,
    pseudo_count / size of the table * log probability.

    Arguments:
        support: the support that the topologies were encoded in.
        encoded: T distinct topologies, each with at least one rooting in the support.
        weights: (T,) not negative; only their proportions matter.
        n_components: A.
        n_iterations: largest number of iterations.
        generator: random generator for the noise of the start.
        pseudo_count: see `simple_average`.
        noise: standard deviation of the normal numbers added to the logarithms of the simple average to start the
            components apart; not used for A = 1.
        tolerance: stop when an iteration raises the objective by less (nats).
        learn_component_weights: update the mixture weights too; otherwise they stay 1 / A, as in training.
        until: `time.perf_counter()` after which no further iteration is begun, but for the first.

    Raises:
        SupportError: the encoding is of another support, or a topology of positive weight has no rooting there.
        ConfigError: weights that are not finite, negative or all zero; a setting out of range.

    References:
        Zhang and Matsen 2018, section 4 (one network); the mixture is the usual extension.
    """
    if n_components < 1 or n_iterations < 0 or not noise >= 0:
        raise ConfigError(
            f"EM needs n_components >= 1, n_iterations >= 0, noise >= 0; got {n_components}, {n_iterations}, {noise}"
        )
    shares = _checked_weights(support, encoded, weights, pseudo_count)
    log_tables = simple_average(support, encoded, weights, pseudo_count=pseudo_count).numpy()
    log_tables = np.repeat(log_tables, n_components, axis=0)
    if n_components > 1:
        perturbation = torch.randn(log_tables.shape, generator=generator, dtype=torch.float64).numpy()
        log_tables = _tables_from_counts(support, np.exp(log_tables + noise * perturbation), 0.0)
    log_weights = np.full(n_components, -math.log(n_components))
    log_likelihoods, objectives = [], []
    for iteration in range(n_iterations + 1):
        counts, masses, log_likelihood = _expected_usage(support, encoded, shares, log_tables, log_weights)
        log_likelihoods.append(log_likelihood)
        objectives.append(log_likelihood + _log_prior(support, log_tables, pseudo_count))
        if iteration == n_iterations or (iteration > 0 and objectives[-1] - objectives[-2] < tolerance):
            break
        if iteration > 0 and time_is_up(until):
            break
        log_tables = _tables_from_counts(support, counts, pseudo_count)
        if learn_component_weights:
            with np.errstate(divide="ignore"):  # a component that explains nothing gets weight zero
                log_weights = np.log(masses / masses.sum())
    return FittedNetworks(
        logits=torch.from_numpy(log_tables),
        component_weights=torch.from_numpy(np.exp(log_weights)),
        log_likelihoods=np.array(log_likelihoods),
        objectives=np.array(objectives),
    )


def _checked_weights(
    support: SubsplitSupport, encoded: EncodedTopologies, weights: np.ndarray, pseudo_count: float
) -> np.ndarray:
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (encoded.n_trees,) or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ConfigError(f"need one finite weight >= 0 for each of {encoded.n_trees} topologies")
    if not weights.sum() > 0:
        raise ConfigError("the weights of the topologies are all zero: nothing to fit")
    if not (math.isfinite(pseudo_count) and pseudo_count >= 0):
        raise ConfigError(f"the pseudo-count must be finite and not negative, got {pseudo_count}")
    encoded.require(support)
    lost = (encoded.n_represented_rootings() == 0) & (weights > 0)
    if lost.any():
        raise SupportError(
            f"{lost.sum()} of {encoded.n_trees} topologies, {weights[lost].sum() / weights.sum():.3g} of the weight, "
            "have no rooting in the support: build the support from them too, or leave them out"
        )
    return weights / weights.sum()


def _tables_from_counts(support: SubsplitSupport, counts: np.ndarray, pseudo_count: float) -> np.ndarray:
    """(A, n_params) logarithms of counts plus pseudo-counts, normalised by segment; uniform where all are zero."""
    segments = support.segments
    sizes = segments.sizes()
    totals = np.add.reduceat(counts[:, segments.entries], segments.pointer[:-1], axis=1) + pseudo_count
    spread = np.where(totals > 0, pseudo_count, 1.0) / sizes
    of_entry = segments.segment_of_entry
    with np.errstate(divide="ignore"):
        return np.log(counts + spread[:, of_entry]) - np.log(np.where(totals > 0, totals, 1.0))[:, of_entry]


def _log_prior(support: SubsplitSupport, log_tables: np.ndarray, pseudo_count: float) -> float:
    if pseudo_count == 0:
        return 0.0
    segments = support.segments
    return float((log_tables * (pseudo_count / segments.sizes())[segments.segment_of_entry]).sum())


def _expected_usage(
    support: SubsplitSupport, encoded: EncodedTopologies, shares: np.ndarray, log_tables: np.ndarray, log_w: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """The E-step: (A, n_params) expected uses of every entry, (A,) masses, and the weighted mean log q."""
    n_components = len(log_tables)
    n_parts = max(1, min(_N_PARTS, _LARGEST_BUFFER // log_tables.size))
    counts = np.zeros((n_parts, *log_tables.shape))
    masses = np.zeros((n_parts, n_components))
    log_likelihoods = np.zeros(n_parts)
    trees = (
        np.ascontiguousarray(encoded.topologies.children),
        encoded.split_ids,
        encoded.tripartition_ids,
        encoded.adjacency_ids,
    )
    offsets = (support.n_splits, support.n_splits + 3 * support.n_tripartitions)

    def task(part: int) -> Callable[[None], None]:
        return lambda _: _e_step(part, log_tables, trees, offsets, shares, log_w, counts, masses, log_likelihoods)

    run_tasks([task(part) for part in range(n_parts)], lambda: None, get_threads())
    return counts.sum(axis=0), masses.sum(axis=0), float(log_likelihoods.sum())


@kernel()
def _e_step(
    part: int,
    log_tables: np.ndarray,
    trees: tuple[np.ndarray, ...],
    offsets: tuple[int, int],
    weights: np.ndarray,
    log_component_weights: np.ndarray,
    counts: np.ndarray,
    masses: np.ndarray,
    log_likelihoods: np.ndarray,
) -> None:
    children = trees[0]
    n_trees, n_taxa = len(children), children.shape[1] + 2
    n_parts, n_components, _ = counts.shape
    used = np.empty(9 * n_taxa - 21, dtype=np.int64)
    logs, amounts = np.empty(len(used)), np.empty(len(used))
    first, second = np.zeros(2 * n_taxa - 2), np.empty(2 * n_taxa - 2)
    shares = np.empty((n_components, 2 * n_taxa - 3))
    log_joint = np.empty(n_components)
    for tree in range(part * n_trees // n_parts, (part + 1) * n_trees // n_parts):
        if weights[tree] == 0.0:
            continue
        tree_entries(trees, offsets, tree, used)
        for a in range(n_components):
            for i in range(len(used)):
                logs[i] = log_tables[a, used[i]] if used[i] >= 0 else -np.inf
            first[:n_taxa] = 0.0
            log_joint[a] = log_component_weights[a] + root_everywhere(children, tree, logs, first, second, shares[a])
        largest = log_joint.max()
        total = np.exp(log_joint - largest).sum()
        log_likelihoods[part] += weights[tree] * (largest + math.log(total))
        for a in range(n_components):
            weight = weights[tree] * math.exp(log_joint[a] - largest) / total
            masses[part, a] += weight
            if weight > 0.0:
                usage(children, tree, shares[a], first, second, amounts)
                for i in range(len(used)):
                    if used[i] >= 0:
                        counts[part, a, used[i]] += weight * amounts[i]
