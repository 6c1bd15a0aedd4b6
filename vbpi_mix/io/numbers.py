"""Numbers as files write them."""

import math
import re

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def number(text: str) -> float | None:
    """The value of a decimal number; None for anything else, which `float` may read (`1_0`, `nan`, `infinity`)."""
    return float(text) if _NUMBER.fullmatch(text) else None


def finite_number(text: str) -> float | None:
    """The value of a decimal number that is not too large; None for anything else."""
    value = number(text)
    return value if value is not None and math.isfinite(value) else None
