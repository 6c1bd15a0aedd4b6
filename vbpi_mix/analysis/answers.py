"""Answers in words and as plain values."""

import math
from typing import Any

from vbpi_mix.analysis.questions import Answer
from vbpi_mix.posterior.questions.hypotheses import BayesFactor, Probability

_METHODS = {
    "draws": "from weighted draws",
    "mixture": "by integrating over the topology's branch lengths",
    "Laplace": "by Laplace's approximation",
    "fits": "from two constrained fits",
}


def sentence(answer: Answer, conditional_on: str) -> str:
    """One or two sentences about a hypothesis."""
    text = f"{answer.question}: posterior probability {in_figures(answer.posterior)}"
    text += f" ({_METHODS[answer.posterior.method]}), prior probability {answer.prior:.3g}"
    text += f" +- {answer.prior_error:.1g}" if answer.prior_error else ""
    factor = answer.factor
    if not math.isnan(factor.low):
        text += f"; Bayes factor {factor_in_figures(factor)}: {factor.in_words}"
    if answer.level is not None:
        level = answer.level
        where = (
            "the smallest credible set that holds it has" if level.level < 1 else "only the set of all topologies, with"
        )
        text += f"; {where} {level.level:.1%} of the posterior"
        text += "" if level.drawn else " (no draw is this tree)"
    return f"{text}. All given {conditional_on}."


def in_figures(p: Probability) -> str:
    """A probability with its error, or its bound."""
    if not p.resolved:
        return f"below {p.high:.2g} (95%)" if p.value < 0.5 else f"above {_near_one(p.low)} (95%)"
    digits = max(3, 1 - math.floor(math.log10(p.standard_error))) if p.standard_error > 0 else 4
    if p.value < 0.001:
        return f"{p.value:.3g} +- {p.standard_error:.1g}"
    return f"{p.value:.{min(digits, 6)}f} +- {p.standard_error:.{min(digits, 6)}f}"


def factor_in_figures(factor: BayesFactor) -> str:
    """A Bayes factor with its natural logarithm, or its bound."""
    if math.isfinite(factor.standard_error):
        return f"{_power(factor.log)} (log {factor.log:.2f} +- {factor.standard_error:.2f})"
    if math.isinf(factor.high):
        return f"above {_power(factor.low)} (log {factor.low:.2f})"
    return f"below {_power(factor.high)} (log {factor.high:.2f})"


def to_dict(answer: Answer) -> dict[str, Any]:
    """Ready for JSON; a number that is not finite becomes None."""
    p, factor, level = answer.posterior, answer.factor, answer.level
    values: dict[str, Any] = {
        "question": answer.question,
        "probability": p.value,
        "standard_error": p.standard_error,
        "low": p.low,
        "high": p.high,
        "resolved": p.resolved,
        "method": p.method,
        "prior": answer.prior,
        "prior_error": answer.prior_error,
        "log_bayes_factor": factor.log,
        "log_bayes_factor_se": factor.standard_error,
        "log_bayes_factor_low": factor.low,
        "log_bayes_factor_high": factor.high,
        "evidence": None if math.isnan(factor.low) else factor.in_words,
    }
    if level is not None:
        values |= {"credible_level": level.level, "credible_level_se": level.standard_error, "drawn": level.drawn}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def _power(log_value: float) -> str:
    return f"{math.exp(log_value):.3g}" if abs(log_value) < 600 else f"e^{log_value:.0f}"


def _near_one(p: float) -> str:
    return f"1 - {1 - p:.2g}" if p > 0.999 else f"{p:.3f}"
