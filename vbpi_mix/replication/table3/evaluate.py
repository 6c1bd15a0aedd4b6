"""Everything that is measured of a trained model, from one set of draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vbpi_mix.analysis.posteriors import log_q_topologies
from vbpi_mix.evaluate import evaluate_log_weights
from vbpi_mix.evaluate.distances.splits import SplitTable, pooled_splits, split_agreement, split_table
from vbpi_mix.evaluate.distances.topologies import LOWEST_PROBABILITY, density_distance, sample_distance
from vbpi_mix.evaluate.equal_total import log_ml_equal_total
from vbpi_mix.evaluate.estimates import as_component_weights
from vbpi_mix.evaluate.sampling import WeightedTrees, draw_batches
from vbpi_mix.experiment.reporter import Reporter, stage
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import EVALUATE_STREAM
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import TopologyBatch, TreeSample, collect
from vbpi_mix.replication.table3.config import Table3Data
from vbpi_mix.seeding import torch_generator
from vbpi_mix.threads import torch_threads

_CURVE_POINTS = 200
_CURVE = ("iteration", "seconds", "bound", "ess")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Topologies of an MCMC run.

    Arguments:
        kind: "golden", where topology probabilities can be trusted; of others only split frequencies are compared.
        name: name of the file.
        sample: trees on the taxa of the run that is evaluated.
    """

    kind: str
    name: str
    sample: TreeSample


def read_reference(data: Table3Data, taxa: tuple[str, ...]) -> Reference | None:
    """The reference of a data set, if it has one; errors as in `io.trees.read_trees`."""
    if data.reference is None or data.reference_kind is None:
        return None
    return Reference(kind=data.reference_kind, name=data.reference.name, sample=read_trees([data.reference], taxa))


def evaluate_model(
    run: Run,
    *,
    n_repeats: int,
    n_samples: int,
    reference: Reference | None,
    component_weights: np.ndarray | None = None,
    reporter: Reporter,
) -> dict[str, Any]:
    """Bounds, marginal likelihood, diagnostics, and distances to an MCMC run, ready for JSON.

    The draws are those of `vbpi-mix evaluate` with the run's own seed: `n_repeats` times `n_samples` of each component.

    Arguments:
        run: the model.
        n_repeats: R.
        n_samples: K, draws of each component and repeat.
        reference: to compare with, if there is one.
        component_weights: (A,) of the mixture, those that its densities are computed with; uniform if not given.
        reporter: told about progress.

    Returns:
        "evaluation": as `evaluate.Evaluation.to_dict`, with `equal_total_*` of `evaluate.equal_total`; "topologies":
        distances to a golden reference, else None; "splits": to any reference, else None.
    """
    weights = as_component_weights(component_weights, run.problem.n_components)
    tally = _Tally(run.inputs.taxa, weights, with_splits=reference is not None, with_topologies=_is_golden(reference))
    with torch_threads(1):
        log_weights = draw_batches(
            run.problem,
            n_particles=n_samples,
            n_repeats=n_repeats,
            generator=torch_generator(run.config.seed, stream=EVALUATE_STREAM),
            use=tally.add,
            on_progress=stage(reporter, "evaluation"),
        )
    equal = log_ml_equal_total(log_weights, component_weights, n_total=n_samples)
    evaluation: dict[str, Any] = evaluate_log_weights(log_weights, component_weights).to_dict()
    evaluation |= {
        "equal_total_log_ml": equal.per_repeat.value,
        "equal_total_log_ml_se": equal.per_repeat.standard_error,
        "equal_total_log_ml_std": equal.deviation,
        "equal_total_log_ml_pooled": equal.pooled.value,
        "equal_total_log_ml_pooled_se": equal.pooled.standard_error,
        "equal_total_n_samples": equal.n_samples,
    }
    return {
        "evaluation": evaluation,
        "topologies": _topologies(run, reference, tally) if reference is not None and _is_golden(reference) else None,
        "splits": None if reference is None else _splits(reference, tally),
    }


def training_curve(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """At most 200 points of the training curve: the end of each stretch, and the means of bound and ESS over it."""
    groups = np.array_split(np.arange(len(lines)), min(_CURVE_POINTS, len(lines))) if lines else []
    curve: dict[str, list[float]] = {name: [] for name in _CURVE}
    for group in groups:
        stretch = [lines[i] for i in group.tolist()]
        for name in _CURVE:
            values = [line[name] for line in stretch]
            curve[name].append(values[-1] if name in ("iteration", "seconds") else float(np.mean(values)))
    return curve


def _is_golden(reference: Reference | None) -> bool:
    return reference is not None and reference.kind == "golden"


def _topologies(run: Run, reference: Reference, tally: "_Tally") -> dict[str, Any]:
    of_q = density_distance(reference.sample, log_q_topologies(run, reference.sample.topologies))
    weighted = sample_distance(reference.sample, tally.weighted_topologies())
    return {
        "reference": reference.name,
        "kl": of_q.kl,
        "kl_floor": LOWEST_PROBABILITY,
        "unseen": of_q.unseen,
        "tv": of_q.total_variation,
        "tv_weighted": weighted.total_variation,
    }


def _splits(reference: Reference, tally: "_Tally") -> dict[str, Any]:
    sample = reference.sample
    theirs = split_table(sample.taxa, sample.topologies, sample.weights)
    found: dict[str, Any] = {"reference": reference.name, "kind": reference.kind}
    for which, table in (("weighted", tally.weighted_splits()), ("q", tally.q_splits())):
        agreement = split_agreement([theirs, table])
        difference = np.ptp(agreement.frequencies, axis=0)
        compared = agreement.frequencies.max(axis=0) >= agreement.min_frequency
        found[which] = {
            "mean": float(difference[compared].mean()) if compared.any() else 0.0,
            "worst": float(difference.max()),
            "asdsf": agreement.asdsf,
            "n_compared": int(compared.sum()),
        }
    return found


class _Tally:
    """Counts splits and topologies of draws batch by batch, so that memory does not grow with the trees."""

    def __init__(
        self, taxa: tuple[str, ...], component_weights: np.ndarray, *, with_splits: bool, with_topologies: bool
    ) -> None:
        self._taxa = taxa
        self._strata = component_weights * len(component_weights)  # what a draw of each component counts for
        self._with_splits, self._with_topologies = with_splits, with_topologies
        self._log_totals: list[float] = []
        self._totals: list[float] = []
        self._weighted: list[SplitTable] = []
        self._q: list[SplitTable] = []
        self._samples: list[TreeSample] = []

    def add(self, batch: WeightedTrees) -> None:
        if not self._with_splits:
            return
        log_w = batch.log_weights.reshape(-1).numpy()
        distinct, position = batch.trees.encoded.topologies.unique()
        strata = self._strata[batch.trees.component_of_tree.numpy()]
        self._q.append(split_table(self._taxa, distinct, np.bincount(position, strata, distinct.n_trees)))
        self._totals.append(float(strata.sum()))
        shift = log_w.max()
        if not np.isfinite(shift):  # no draw of the batch has weight
            return
        weights = np.bincount(position, strata * np.exp(log_w - shift), distinct.n_trees)
        self._log_totals.append(float(shift + np.log(weights.sum())))
        self._weighted.append(split_table(self._taxa, distinct, weights))
        if self._with_topologies:
            self._samples.append(collect(self._taxa, distinct, weights))

    def q_splits(self) -> SplitTable:
        return pooled_splits(self._q, self._totals)

    def weighted_splits(self) -> SplitTable:
        return pooled_splits(self._weighted, self._shares().tolist())

    def weighted_topologies(self) -> TreeSample:
        children = np.concatenate([sample.topologies.children for sample in self._samples])
        shares = self._shares()
        weights = [sample.probabilities() * share for sample, share in zip(self._samples, shares, strict=True)]
        return collect(self._taxa, TopologyBatch(children), np.concatenate(weights))

    def _shares(self) -> np.ndarray:
        totals = np.asarray(self._log_totals)
        return np.exp(totals - totals.max())
