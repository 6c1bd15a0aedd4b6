"""Diagnostics of the substitution model's parameters: how well draws determine them, how far runs agree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic
from vbpi_mix.evaluate.diagnostics.thresholds import (
    COVERED_DENSITY,
    EFFECTIVE_DRAWS,
    MISSED_MODES,
    PARAMETER_DIFFERENCE,
    Level,
)

_FEW = 0.25  # share of the parameters that may be poorly determined before the whole fit is judged by them


@dataclass(frozen=True, kw_only=True)
class ModeCoverage:
    """Modes of the parameters' posterior, and what the mixture has there.

    Arguments:
        names: (n,) of the parameters.
        values: (M, n) at each mode.
        shares: (M,) of the posterior, by Laplace's method; their sum is 1.
        log_ratios: (M,) log of the mixture's density at the mode relative to the posterior's there.
    """

    names: tuple[str, ...]
    values: np.ndarray
    shares: np.ndarray
    log_ratios: np.ndarray

    @property
    def missing(self) -> np.ndarray:
        """(M,) whether the mixture has next to nothing at a mode."""
        return self.log_ratios < np.log(COVERED_DENSITY)


def mode_diagnostic(coverage: ModeCoverage) -> Diagnostic:
    """Whether the mixture holds every mode of the parameters that searches found.

    Draws cannot tell: from a mode that no component holds, none come.
    """
    missing = np.flatnonzero(coverage.missing)
    share = float(coverage.shares[missing].sum())
    level = MISSED_MODES.level(share)
    n = len(coverage.shares)
    text = f"{n} mode{'s' if n > 1 else ''} found"
    if len(missing):
        heaviest = missing[np.argmax(coverage.shares[missing])]
        values = zip(coverage.names, coverage.values[heaviest], strict=True)
        at = ", ".join(f"{name} {value:.3g}" for name, value in values if name.startswith(("alpha", "pinvar")))
        text += f", the mixture lacks one with {coverage.shares[heaviest]:.1%} of the posterior ({at})"
    return Diagnostic(
        key="parameter_modes",
        label="Modes of the parameters",
        value=share,
        text=text,
        level=level,
        verdict={
            "good": "the mixture holds every mode that weighs anything"
            if n > 1
            else "one mode, which the mixture holds",
            "fair": "a small part of the posterior is missing: intervals of these parameters are slightly narrow",
            "poor": "a part of the posterior is missing: fit with more components, each with parameters of its own",
        }[level],
        definition="share of the posterior, by Laplace's method on the most probable topology, of modes of the gamma "
        "shape and the invariant sites at which the mixture has less than a thousandth of the posterior's density. "
        f"{MISSED_MODES.words}",
    )


def parameter_diagnostic(names: Sequence[str], sizes: np.ndarray) -> Diagnostic:
    """Diagnostic of the effective sample size of the least determined parameter.

    Arguments:
        names: (n,) of the parameters, n >= 1.
        sizes: (n,) their effective sample sizes.
    """
    least = int(np.argmin(sizes))
    size = float(sizes[least])
    level = EFFECTIVE_DRAWS.level(size)
    few = [name for name, one in zip(names, sizes, strict=True) if EFFECTIVE_DRAWS.level(one) == "poor"]
    error = size**-0.5
    if level == "poor" and len(few) <= _FEW * len(names):
        return replace(
            _parameter_diagnostic(names, size, least, "fair", error),
            verdict=f"poorly determined: {', '.join(few)} (a mean is uncertain by {error:.2f} posterior standard "
            "deviations); splits, the other parameters and the marginal likelihood do not depend on it",
        )
    return _parameter_diagnostic(names, size, least, level, error)


def _parameter_diagnostic(names: Sequence[str], size: float, least: int, level: Level, error: float) -> Diagnostic:
    return Diagnostic(
        key="parameters",
        label="Parameters of the model",
        value=size,
        text=f"effective sample size {size:,.0f} of {names[least]}, the smallest of {len(names)}",
        level=level,
        verdict={
            "good": f"their means are known within {error:.3f} posterior standard deviations or better",
            "fair": f"their means are known within {error:.2f} posterior standard deviations: intervals are rough",
            "poor": f"a mean is uncertain by {error:.2f} posterior standard deviations: train longer or draw more",
        }[level],
        definition="number of independent draws whose mean of the parameter would be as uncertain as that of the "
        f"weighted draws, for the parameter (or the tree length) where it is smallest. {EFFECTIVE_DRAWS.words}",
    )


def parameter_agreement(names: Sequence[str], means: np.ndarray, deviations: np.ndarray) -> Diagnostic:
    """Diagnostic of the distance between the parameter means of several runs.

    Arguments:
        names: (n,) of the parameters, n >= 1.
        means: (R, n) of R runs.
        deviations: (R, n) posterior standard deviations.
    """
    apart = np.ptp(means, axis=0)
    scale = np.sqrt((deviations**2).mean(axis=0))
    relative = np.divide(apart, scale, out=np.zeros_like(apart), where=scale > 0)
    farthest = int(relative.argmax())
    largest = float(relative[farthest])
    level = PARAMETER_DIFFERENCE.level(largest)
    return Diagnostic(
        key="max_parameter_difference",
        label="Parameters between runs",
        value=largest,
        text=f"means at most {largest:.3f} posterior standard deviations apart ({names[farthest]})",
        level=level,
        verdict={
            "good": "the runs agree on the parameters",
            "fair": "the runs roughly agree on the parameters",
            "poor": "one parameter at least depends on the run",
        }[level],
        definition="largest difference of a parameter's posterior mean between two runs, in posterior standard "
        f"deviations, tree length included. {PARAMETER_DIFFERENCE.words}",
    )
