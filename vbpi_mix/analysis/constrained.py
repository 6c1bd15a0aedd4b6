"""Bayes factors from two fits, one that a hypothesis constrains and one that its opposite does."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from vbpi_mix.analysis.questions import Answer
from vbpi_mix.errors import InputError
from vbpi_mix.evaluate import Estimate
from vbpi_mix.experiment.fit import fit_folder
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.run import Run
from vbpi_mix.io.constraint_files import constraint_statement
from vbpi_mix.posterior.questions.hypotheses import BayesFactor, Probability

_REPEATS = 10


@dataclass(frozen=True, kw_only=True)
class ConstrainedEvidence:
    """Evidence for a hypothesis from two constrained fits.

    Arguments:
        with_it: log marginal likelihood of the data given the hypothesis.
        without: given its opposite.
        answer: answer for the hypothesis.
    """

    with_it: Estimate
    without: Estimate
    answer: Answer


def constrained_evidence(run: Run, answer: Answer, folder: Path, reporter: Reporter) -> ConstrainedEvidence:
    """Fit with a hypothesis and with its opposite, with the settings of a run, into `folder/with` and `folder/without`.

    A fit that is there already is used, so that what was interrupted goes on.

    Arguments:
        run: the free fit.
        answer: answer of the run for one constraint.
        folder: made if it is not there.
        reporter: told about progress.

    Raises:
        InputError: several constraints at once.
        ConfigError: a folder holds another run.
    """
    if len(answer.hypotheses) != 1:
        raise InputError("constrained fits are made for one constraint at a time, not for several together")
    hypothesis = answer.hypotheses[0]
    found = []
    for name, constraint in (("with", hypothesis), ("without", hypothesis.negated())):
        statement = constraint_statement(constraint)
        config = replace(run.config, constraints=(*run.config.constraints, statement))
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        reporter.message(f"fit under the constraint {statement}")
        resume = (path / "config.toml").is_file()
        fitted, _ = fit_folder(config, path, resume=resume, reporter=reporter)
        found.append(fitted.weighted_sample(n_repeats=_REPEATS, reporter=reporter).evaluation.marginal_likelihood)
    return ConstrainedEvidence(with_it=found[0], without=found[1], answer=answer_from(answer, *found))


def answer_from(answer: Answer, with_it: Estimate, without: Estimate) -> Answer:
    """The answer with probability and Bayes factor from two marginal likelihoods."""
    log = with_it.value - without.value
    error = math.hypot(with_it.standard_error, without.standard_error)
    prior = math.log(answer.prior) - math.log1p(-answer.prior)
    value, low, high = (_logistic(log + prior + step * error) for step in (0.0, -1.96, 1.96))
    return replace(
        answer,
        posterior=Probability(
            value=value, standard_error=value * (1 - value) * error, low=low, high=high, method="fits"
        ),
        factor=BayesFactor(log=log, standard_error=error, low=log - 1.96 * error, high=log + 1.96 * error),
    )


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))
