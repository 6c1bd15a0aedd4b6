"""Diagnostics with a definition and a verdict in words.

The thresholds are in `evaluate.diagnostics.thresholds`, and given with every definition.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vbpi_mix.evaluate.diagnostics.thresholds import Level


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One number, what it is, and what it says.

    Arguments:
        key: name in JSON.
        label: name for people.
        value: the number; NaN if there is none.
        text: the number for people, with error and unit.
        level: "good", "fair", "poor"; "info" where there is nothing to judge.
        verdict: the verdict in words.
        definition: definition of the number, thresholds included.
    """

    key: str
    label: str
    value: float
    text: str
    level: Level
    verdict: str
    definition: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; a value that is not finite becomes None."""
        return {
            "value": self.value if math.isfinite(self.value) else None,
            "text": self.text,
            "level": self.level,
            "verdict": self.verdict,
            "definition": self.definition,
        }


def worst(diagnostics: Iterable[Diagnostic]) -> Level:
    """The worst level among them; "info" if none is judged."""
    found = {d.level for d in diagnostics}
    ranked: tuple[Level, ...] = ("poor", "fair", "good")
    for level in ranked:
        if level in found:
            return level
    return "info"


def share_text(share: float, before: str) -> str:
    """A share of the posterior for people, `before` in front of it unless it is next to nothing."""
    return "less than 0.1% of the posterior" if share < 0.001 else f"{before}{share:.1%} of the posterior"
