"""Diagnosis of a run from its draws, its support, its training and other seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vbpi_mix.analysis.posteriors import Posterior
from vbpi_mix.analysis.verdict import verdict
from vbpi_mix.errors import InputError
from vbpi_mix.evaluate import Evaluation
from vbpi_mix.evaluate.diagnostics.agreement import agreement_diagnostics
from vbpi_mix.evaluate.diagnostics.annealing import annealing_diagnostics
from vbpi_mix.evaluate.diagnostics.components import component_diversity, component_shares
from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic, worst
from vbpi_mix.evaluate.diagnostics.draws import topology_diagnostics, weight_diagnostics
from vbpi_mix.evaluate.diagnostics.mixture import (
    component_diagnostics,
    growth_diagnostic,
    neighbour_diagnostic,
    training_diagnostic,
)
from vbpi_mix.evaluate.diagnostics.neighbours import neighbour_mass
from vbpi_mix.evaluate.diagnostics.parameters import mode_diagnostic, parameter_agreement, parameter_diagnostic
from vbpi_mix.evaluate.diagnostics.thresholds import WARNED_ERROR
from vbpi_mix.evaluate.distances.splits import split_agreement
from vbpi_mix.experiment.parameter_modes import model_at_mode, parameter_modes
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import EVALUATE_STREAM
from vbpi_mix.phylo import TreeSample
from vbpi_mix.phylo.distances import total_variation
from vbpi_mix.posterior import WeightedSample
from vbpi_mix.seeding import torch_generator

_DIVERSITY_DRAWS = 1000  # of each component


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The diagnostics of one run.

    Arguments:
        name: name of the run.
        diagnostics: one after the other.
        shares: (A,) share of the posterior by component.
        evaluation: the estimates from the same draws.
    """

    name: str
    diagnostics: tuple[Diagnostic, ...]
    shares: np.ndarray
    evaluation: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "run": self.name,
            "overall": worst(self.diagnostics),
            "verdict": verdict(self.diagnostics),
            "diagnostics": {d.key: d.to_dict() for d in self.diagnostics},
            "component_shares": self.shares.tolist(),
            "estimates": self.evaluation.to_dict(),
        }


def diagnose(run: Run, sample: WeightedSample, *, name: str, neighbours: bool = True) -> Diagnosis:
    """All diagnostics of one run.

    Arguments:
        run: the run.
        sample: weighted draws of the run, see `Run.weighted_sample`.
        name: name for people.
        neighbours: weigh what lies next to the best topologies outside the support, which takes seconds.
    """
    evaluation, draws, weights = sample.evaluation, sample.draws, sample.weights
    shares = component_shares(weights, draws.components, run.problem.n_components)
    distinct, position = draws.topologies.unique()
    probabilities = np.bincount(position, weights=weights, minlength=distinct.n_trees)
    counts = np.bincount(position, minlength=distinct.n_trees)
    if evaluation.annealing is not None:
        size = evaluation.annealing.effective_size
        diagnostics = (
            *annealing_diagnostics(evaluation.annealing),
            *([] if evaluation.annealing.n_groups else weight_diagnostics(evaluation)[:1]),
            *(replace(d, level="info") for d in topology_diagnostics(probabilities, counts, size)),
        )
        return Diagnosis(name=name, diagnostics=diagnostics, shares=shares, evaluation=evaluation)
    generator = torch_generator(run.config.seed, stream=EVALUATE_STREAM)
    diversity = component_diversity(run.problem, n_particles=_DIVERSITY_DRAWS, generator=generator)
    found = [
        *weight_diagnostics(evaluation),
        *topology_diagnostics(probabilities, counts, evaluation.ess),
        *_parameter_diagnostics(run, sample),
        *component_diagnostics(shares, diversity),
        *_support_diagnostics(run),
    ]
    if neighbours:
        order = np.argsort(-probabilities, kind="stable")
        order = order[probabilities[order] > 0]
        candidates = TreeSample(taxa=draws.taxa, topologies=distinct[order], weights=probabilities[order])
        model = model_at_mode(run.problem, torch_generator(run.config.seed, stream=EVALUATE_STREAM))
        found.append(neighbour_diagnostic(neighbour_mass(model, run.inputs.support, candidates)))
    found += _training_diagnostics(run)
    return Diagnosis(name=name, diagnostics=tuple(found), shares=shares, evaluation=evaluation)


def agreement(posteriors: Sequence[Posterior]) -> list[Diagnostic]:
    """Diagnostics of the agreement between runs on the same data.

    Raises:
        InputError: not of runs, or runs of other data or another model.
    """
    runs = [p.run for p in posteriors if p.run is not None]
    for run, posterior in zip(runs[1:], posteriors[1:], strict=True):
        same_order = run.inputs.taxa == runs[0].inputs.taxa
        if same_order and run.inputs.identity["data"] != runs[0].inputs.identity["data"]:
            raise InputError(f"{posterior.name} is a run on another alignment than {posteriors[0].name}")
        ours, theirs = ((r.config.model, r.config.branch_prior_rate) for r in (run, runs[0]))
        priors = [
            (r.config.branch_prior, sorted(r.config.priors), sorted(r.config.constraints)) for r in (run, runs[0])
        ]
        if priors[0] != priors[1]:
            raise InputError(
                f"{posterior.name} has other priors than {posteriors[0].name}: agreement is for runs of the same model"
            )
        if ours != theirs:
            raise InputError(
                f"{posterior.name} has the model {ours[0]} with branch prior rate {ours[1]:g}, {posteriors[0].name} "
                f"has {theirs[0]} with {theirs[1]:g}: agreement is for runs of the same model"
            )
    evidence = [p.log_ml for p in posteriors if p.log_ml is not None]
    samples = [p.topologies for p in posteriors if p.topologies is not None]
    if len(evidence) < len(posteriors) or len(samples) < len(posteriors):
        raise InputError("agreement between runs needs runs: compare a run with files by `vbpi-mix compare`")
    distances = [total_variation(a, b) for i, a in enumerate(samples) for b in samples[:i]]
    splits = split_agreement([p.splits for p in posteriors])
    found = agreement_diagnostics(splits, max(distances), evidence)
    parameters = [p.parameters for p in posteriors if p.parameters is not None]
    if parameters[0].n_model_parameters:
        means, deviations = np.array([p.mean for p in parameters]), np.array([p.sd for p in parameters])
        found.append(parameter_agreement(parameters[0].names, means, deviations))
    return found


def _parameter_diagnostics(run: Run, sample: WeightedSample) -> list[Diagnostic]:
    draws, summary = sample.draws, sample.parameters
    if not draws.parameter_names:
        return []
    found = [parameter_diagnostic(summary.names, summary.effective_sample_size)]
    if len(run.problem.model.parameters.starts()) > 1:
        best = int(np.argmax(sample.weights))
        found.append(
            mode_diagnostic(parameter_modes(run.problem, draws.topologies[[best]], draws.branch_lengths[best]))
        )
    return found


def _support_diagnostics(run: Run) -> list[Diagnostic]:
    """Diagnostics of the search for candidate topologies, where the run's folder has a record of it."""
    growth = {} if run.folder is None else run.folder.read_growth()
    complete = bool(growth.get("complete", True))
    if "missing_mass" not in growth and complete:
        return []
    sampled = growth.get("standard_error", math.inf) < WARNED_ERROR or run.config.refresh_every > 0
    missing = float(growth.get("missing_mass", math.nan))
    return [growth_diagnostic(missing, well_sampled=sampled, complete=complete)]


def _training_diagnostics(run: Run) -> list[Diagnostic]:
    records = [] if run.folder is None else run.folder.read_metrics()
    if not records:
        return []
    iterations = np.array([record["iteration"] for record in records])
    bounds = np.array([record["bound"] for record in records], dtype=np.float64)
    found = training_diagnostic(iterations, bounds)
    return [] if found is None else [found]
