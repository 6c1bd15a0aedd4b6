"""Numbers as files write them."""

import math
import re

from vbpi_mix.errors import ConfigError

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def number(text: str) -> float | None:
    """The value of a decimal number; None for anything else, which `float` may read (`1_0`, `nan`, `infinity`)."""
    return float(text) if _NUMBER.fullmatch(text) else None


def finite_number(text: str) -> float | None:
    """The value of a decimal number that is not too large; None for anything else."""
    value = number(text)
    return value if value is not None and math.isfinite(value) else None


def parse_share(text: str | float) -> float:
    """0.25 of '25%' or '0.25'.

    Raises:
        ConfigError: anything else, or outside 0 <= share < 1.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", str(text), re.ASCII)
    share = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 <= share < 1:
        raise ConfigError(f"'{text}' is not a share of the trees below all of them: give 25% or 0.25")
    return share
