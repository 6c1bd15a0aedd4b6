"""Parameters of two posteriors side by side."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vbpi_mix.posterior import ParameterSummary


@dataclass(frozen=True, kw_only=True)
class ParameterAgreement:
    """What two posteriors say of the numbers that both have.

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
    """The numbers that both sides have; None if that is none."""
    if first is None or reference is None:
        return None
    names = tuple(name for name in first.names if name in reference.names)
    rows = tuple((first.names.index(name), reference.names.index(name)) for name in names)
    return ParameterAgreement(names=names, first=first, reference=reference, rows=rows) if names else None
