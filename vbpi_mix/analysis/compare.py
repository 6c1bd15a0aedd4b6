"""Two posteriors side by side: split frequencies, topologies, branch lengths, parameters, marginal likelihood."""

import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from vbpi_mix.analysis.parameter_agreement import ParameterAgreement, parameter_agreement
from vbpi_mix.analysis.posteriors import Posterior, log_q_topologies
from vbpi_mix.errors import InputError
from vbpi_mix.evaluate.clade_distribution import CladeModel, clade_distribution
from vbpi_mix.evaluate.distances.lengths import LengthAgreement, length_agreement
from vbpi_mix.evaluate.distances.splits import MIN_FREQUENCY, SplitAgreement, split_agreement
from vbpi_mix.evaluate.distances.topologies import (
    LOWEST_PROBABILITY,
    TopologyDistance,
    density_distance,
    sample_distance,
)
from vbpi_mix.phylo import TreeSample

DEFINITIONS = {
    "asdsf": f"average over the splits of frequency >= {MIN_FREQUENCY} on either side of the standard deviation of the "
    "two frequencies, |p - q| / sqrt 2 (MrBayes' ASDSF; below 0.01 is its usual sign of agreement)",
    "max_split_difference": f"largest |p - q| among the splits of frequency >= {MIN_FREQUENCY} on either side",
    "reference_asdsf": "the same average over the reference's own files: how far runs of the reference differ",
    "kl_topologies": "KL(reference || first) over topologies in nats; probabilities of the first below "
    f"{LOWEST_PROBABILITY:g} count as {LOWEST_PROBABILITY:g}, so topologies that have no draw weigh heavily",
    "kl_topologies_of_q": "the same with the exact topology probabilities of the run's mixture q in place of the "
    "frequencies of its weighted draws",
    "tv_topologies": "total variation of the topology distributions, half the sum of |p - q|: the largest difference "
    "in the probability of any set of topologies",
    "tv_topologies_of_q": "the same with the exact topology probabilities of q",
    "kl_topologies_of_ccd1": "the same with the conditional clade distribution CCD1 of the first side's trees: each "
    "clade splits independently, with the frequencies of its subsplits",
    "kl_topologies_of_ccd0": "the same with CCD0: probabilities in proportion to the product of clade frequencies",
    "tv_topologies_of_ccd1": "the same with CCD1",
    "tv_topologies_of_ccd0": "the same with CCD0",
    "unseen_mass": "mass of the reference on topologies without any draw on the first side",
    "length_distance": "Wasserstein-1 distance between the two distributions of a branch's length given its split, "
    f"averaged over branches of frequency >= {MIN_FREQUENCY} on both sides with their mean frequency as weight; "
    "expected substitutions per site",
    "length_distance_relative": "the same in posterior standard deviations of each length",
    "max_length_distance_relative": "the largest of these",
    "max_parameter_difference": "largest difference between the means of the tree length or of a parameter of the "
    "substitution model, in posterior standard deviations of the reference",
    "log_ml_difference": "marginal log-likelihood of the first minus that of the reference, natural log",
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Results of `compare`; a number that does not apply is None.

    Arguments:
        first, reference: the two sides.
        splits: frequencies of both, in this order.
        topologies: distance of the weighted topologies of the first side from those of the reference.
        topologies_of_q: the same for the exact probabilities of a run's mixture.
        topologies_of_ccd: the same for the clade distributions of the first side's trees, by name.
        lengths: branch-length distributions.
        parameters: parameters of the substitution model, and the tree length.
        reference_splits: agreement of the reference's own files.
        evidence: (marginal log-likelihood of the first, its error, the reference's, its error or NaN).
    """

    first: Posterior
    reference: Posterior
    splits: SplitAgreement
    topologies: TopologyDistance | None
    topologies_of_q: TopologyDistance | None
    topologies_of_ccd: dict[CladeModel, TopologyDistance]
    lengths: LengthAgreement | None
    parameters: ParameterAgreement | None
    reference_splits: SplitAgreement | None
    evidence: tuple[float, float, float, float] | None

    def numbers(self) -> dict[str, float]:
        """The numbers that apply, by the names of `DEFINITIONS`."""
        values: dict[str, float] = {"asdsf": self.splits.asdsf, "max_split_difference": self.splits.max_difference}
        if self.reference_splits is not None:
            values["reference_asdsf"] = self.reference_splits.asdsf
        of_ccd = [(distance, f"_of_{name}") for name, distance in self.topologies_of_ccd.items()]
        for distance, suffix in ((self.topologies, ""), (self.topologies_of_q, "_of_q"), *of_ccd):
            if distance is not None:
                values[f"kl_topologies{suffix}"] = distance.kl
                values[f"tv_topologies{suffix}"] = distance.total_variation
        if self.topologies is not None:
            values["unseen_mass"] = self.topologies.unseen
        if self.lengths is not None:
            relative = self.lengths.relative[np.isfinite(self.lengths.relative)]
            values["length_distance"] = self.lengths.mean_distance
            values["length_distance_relative"] = self.lengths.mean_relative
            values["max_length_distance_relative"] = float(relative.max()) if len(relative) else math.nan
        if self.parameters is not None:
            values["max_parameter_difference"] = float(np.abs(self.parameters.difference).max())
        if self.evidence is not None:
            values["log_ml_difference"] = self.evidence[0] - self.evidence[2]
        return values

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        worst = self.splits.worst()
        content: dict[str, Any] = {
            "first": _described(self.first),
            "reference": _described(self.reference),
            **{name: None if math.isnan(value) else value for name, value in self.numbers().items()},
            "n_splits_compared": self.splits.n_compared,
            "farthest_split": None
            if worst is None
            else {
                "taxa": list(self.splits.members(worst)),
                "first": float(self.splits.frequencies[0, worst]),
                "reference": float(self.splits.frequencies[1, worst]),
            },
        }
        if self.evidence is not None:
            names = ("log_ml_first", "log_ml_first_se", "log_ml_reference", "log_ml_reference_se")
            content |= {name: None if math.isnan(x) else x for name, x in zip(names, self.evidence, strict=True)}
        if self.parameters is not None:
            content["parameters"] = self.parameters.to_dict()
        content["definitions"] = {name: DEFINITIONS[name] for name in self.numbers()}
        return content


def compare(first: Posterior, reference: Posterior, *, stepping_stone: tuple[float, float] | None = None) -> Comparison:
    """Compare two posteriors on the same taxa in the same order.

    Arguments:
        first: usually a run.
        reference: posterior that it is compared with.
        stepping_stone: marginal log-likelihood that another program found, and its standard error (NaN: unknown).

    Raises:
        InputError: other taxa, or a stepping-stone value with a first side that has no marginal log-likelihood.
    """
    of_q = None
    if first.run is not None and reference.topologies is not None and first.taxa == first.run.inputs.taxa:
        log_q = log_q_topologies(first.run, reference.topologies.topologies)
        of_q = density_distance(reference.topologies, log_q)
    topologies, of_ccd = None, {}
    if first.topologies is not None and reference.topologies is not None:
        topologies = sample_distance(reference.topologies, first.topologies)
        of_ccd = {name: _of_ccd(reference.topologies, first.topologies, name) for name in get_args(CladeModel)}
    lengths = None
    if first.lengths is not None and reference.lengths is not None:
        lengths = length_agreement(first.lengths, reference.lengths)
    return Comparison(
        first=first,
        reference=reference,
        splits=split_agreement([first.splits, reference.splits]),
        topologies=topologies,
        topologies_of_q=of_q,
        topologies_of_ccd=of_ccd,
        lengths=lengths,
        parameters=parameter_agreement(first.parameters, reference.parameters),
        reference_splits=split_agreement(reference.parts) if len(reference.parts) > 1 else None,
        evidence=_evidence(first, reference, stepping_stone),
    )


def _of_ccd(reference: TreeSample, sample: TreeSample, model: CladeModel) -> TopologyDistance:
    found = clade_distribution(sample.topologies, sample.weights, model=model)
    return density_distance(reference, found.log_prob(reference.topologies))


def _evidence(
    first: Posterior, reference: Posterior, stepping_stone: tuple[float, float] | None
) -> tuple[float, float, float, float] | None:
    if stepping_stone is not None and first.log_ml is None:
        raise InputError(
            f"{first.name} has no marginal log-likelihood to compare with the stepping-stone value: put the run first"
        )
    other = stepping_stone if stepping_stone is not None else reference.log_ml
    return None if first.log_ml is None or other is None else (*first.log_ml, *other)


def _described(side: Posterior) -> dict[str, Any]:
    return {
        "name": side.name,
        "kind": side.kind,
        "taxa": len(side.taxa),
        "trees": side.n_trees,
        "topologies": None if side.topologies is None else side.topologies.n_trees,
        "effective_size": side.effective_size,
    }
