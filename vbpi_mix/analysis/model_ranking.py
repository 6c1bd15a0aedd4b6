"""Comparison of substitution models by the marginal likelihoods of short fits."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate import Evaluation
from vbpi_mix.experiment.build import load_alignment
from vbpi_mix.experiment.candidates import load_candidates, make_sources
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.fit import fit_alignment
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.model import parse_model

ITERATIONS = 2000  # after which the marginal likelihood from importance weights hardly gains by more


@dataclass(frozen=True, kw_only=True)
class ModelEvidence:
    """Result of the short fit of one model.

    Arguments:
        model: model string as it was given.
        n_parameters: number of parameters that are inferred besides the tree.
        evaluation: evaluation of the fit; `log_ml_pooled` is the marginal likelihood.
        parameters: posterior mean of each, by name, in the order of `model.ParameterSpace.names`.
        seconds: seconds that the fit took, candidates apart.
    """

    model: str
    n_parameters: int
    evaluation: Evaluation
    parameters: dict[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ModelRanking:
    """Models with their posterior probabilities, all of them equally probable before.

    Arguments:
        evidences: evidences of M models, the most probable first.
        probability: (M,).
        standard_error: (M,) of the probabilities, from the standard errors of the evidences.
    """

    evidences: tuple[ModelEvidence, ...]
    probability: np.ndarray
    standard_error: np.ndarray

    def to_rows(self) -> list[dict[str, Any]]:
        """A row per model, flat and ready for JSON."""
        return [
            {
                "model": e.model,
                "n_parameters": e.n_parameters,
                "log_evidence": e.evaluation.log_ml_pooled.value,
                "log_evidence_se": e.evaluation.log_ml_pooled.standard_error,
                "probability": float(p),
                "probability_se": float(se),
                "elbo": e.evaluation.elbo.value,
                "ess": e.evaluation.ess,
                "n_samples": e.evaluation.n_samples,
                "pareto_k": e.evaluation.pareto_k if math.isfinite(e.evaluation.pareto_k) else None,
                "pareto_verdict": e.evaluation.tail.verdict,
                "parameters": e.parameters,
                "seconds": e.seconds,
            }
            for e, p, se in zip(self.evidences, self.probability, self.standard_error, strict=True)
        ]


def rank_models(
    configs: Sequence[FitConfig],
    *,
    n_repeats: int = 10,
    reporter: Reporter | None = None,
) -> ModelRanking:
    """Fit models to one alignment, from the same candidate topologies, and compare their marginal likelihood.

    Arguments:
        configs: a configuration for each model; they differ in the model alone.
        n_repeats: number of repeats of 1,000 draws per component for the marginal likelihood.
        reporter: told about progress.

    Raises:
        ConfigError: no models, or one that is given twice.
    """
    reporter = reporter or Silent()
    names = [str(parse_model(config.model, infer=True)) for config in configs]
    if not names:
        raise ConfigError("no models to compare")
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ConfigError(f"the model {name} is given twice")
    first = configs[0]
    alignment = load_alignment(first, reporter)
    for source in make_sources(first):
        source.check()
    candidates = load_candidates(first, alignment, reporter)
    found = []
    for number, config in enumerate(configs, start=1):
        reporter.message(f"{config.model} ({number} of {len(names)})")
        begun = time.perf_counter()
        run = fit_alignment(alignment, candidates, config, reporter=reporter)
        sample = run.weighted_sample(n_repeats=n_repeats, reporter=reporter)
        means = sample.weights @ sample.draws.parameters
        found.append(
            ModelEvidence(
                model=config.model,
                n_parameters=run.problem.model.parameters.n_coordinates,
                evaluation=sample.evaluation,
                parameters=dict(zip(sample.draws.parameter_names, means.tolist(), strict=True)),
                seconds=time.perf_counter() - begun,
            )
        )
    return ranking(found)


def ranking(evidences: Sequence[ModelEvidence]) -> ModelRanking:
    """Models in the order of their marginal likelihood, with probabilities."""
    found = [e.evaluation.log_ml_pooled for e in evidences]
    order = np.argsort([-e.value for e in found], kind="stable")
    values = np.array([found[i].value for i in order])
    errors = np.array([found[i].standard_error for i in order])
    probability, standard_error = model_probabilities(values, errors)
    return ModelRanking(
        evidences=tuple(evidences[i] for i in order), probability=probability, standard_error=standard_error
    )


def model_probabilities(log_evidence: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M,) posterior probabilities under a uniform prior, and their standard errors by the delta method.

    dp_i / dz_j = p_i (delta_ij - p_j) for log evidences z.
    """
    relative = np.exp(log_evidence - log_evidence.max())
    p = relative / relative.sum()
    slopes = p[:, None] * (np.eye(len(p)) - p)
    return p, np.sqrt((slopes**2) @ errors**2)
