"""Parameters of two posteriors side by side."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vbpi_mix.posterior import ParameterSummary

_MULTIPLIER = re.compile(r"m\{([^{}]*)\}")
_PART = re.compile(r"\{([^{}]*)\}$")


@dataclass(frozen=True, kw_only=True)
class ParameterAgreement:
    """Comparison of two posteriors in the parameters that both have.

    Arguments:
        names: (n,) of them.
        first, reference: summaries of each side, in the order of `rows`.
        rows: (n, 2) where each number is in the two.
    """

    names: tuple[str, ...]
    first: ParameterSummary
    reference: ParameterSummary
    rows: tuple[tuple[int, int], ...]

    @property
    def difference(self) -> np.ndarray:
        """(n,) means of the first minus those of the reference, in posterior standard deviations of the reference."""
        ours, theirs = np.array(self.rows).T
        apart = self.first.mean[ours] - self.reference.mean[theirs]
        spread = self.reference.sd[theirs]
        return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        kept = ("mean", "sd", "hpd_low", "hpd_high")
        content = {}
        for name, (i, j), apart in zip(self.names, self.rows, self.difference.tolist(), strict=True):
            sides = {"first": self.first.row(i), "reference": self.reference.row(j)}
            numbers = {side: {key: row[key] for key in kept} for side, row in sides.items()}
            content[name] = {**numbers, "difference_in_sd": apart}
        return content


def parameter_agreement(
    first: ParameterSummary | None, reference: ParameterSummary | None
) -> ParameterAgreement | None:
    """The numbers that both sides have; None if that is none.

    Parts of the alignment are matched by their order: `kappa{pos1}` of a run with `kappa{1}` of MrBayes.
    """
    if first is None or reference is None:
        return None
    ours, theirs = numbered(first.names), numbered(reference.names)
    rows = tuple((i, theirs.index(name)) for i, name in enumerate(ours) if name in theirs)
    names = tuple(first.names[i] for i, _ in rows)
    return ParameterAgreement(names=names, first=first, reference=reference, rows=rows) if names else None


def numbered(names: Sequence[str]) -> list[str]:
    """Names of parameters with the number of a part, counted by the rate multipliers, in place of its name."""
    parts = [match[1] for name in names if (match := _MULTIPLIER.fullmatch(name))]
    number = {part: str(i) for i, part in enumerate(parts, start=1)}
    return [_PART.sub(lambda match: f"{{{number.get(match[1], match[1])}}}", name) for name in names]
