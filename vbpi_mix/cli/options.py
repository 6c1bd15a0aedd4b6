"""Options that several commands share, and how their values are read."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vbpi_mix.errors import ConfigError
from vbpi_mix.io.numbers import parse_share as parse_share

if TYPE_CHECKING:
    from vbpi_mix.evaluate import Estimate

RunArgument = Annotated[Path, typer.Argument(help="Folder of a run.")]
Repeats = Annotated[int, typer.Option(min=1, help="Number of repeats of 1,000 draws per component.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Number of threads; one per available core if not given.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds of '90', '90s', '10m', '1.5h', '2d'.

    Raises:
        ConfigError: anything else.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(s|m|min|h|d|)\s*", text)
    if match is None or float(match[1]) <= 0:
        raise ConfigError(f"'{text}' is not a time: give a number with s, m, h or d behind it, such as 10m")
    return float(match[1]) * _UNITS[match[2]]


def output_path(text: str | Path) -> Path:
    """The path that an option gives to write to.

    Raises:
        ConfigError: it is empty, as `-o "$UNSET"` makes it.
    """
    if not str(text).strip():
        raise ConfigError("the output (--output, -o) is empty: name a file or folder, or . for the current folder")
    return Path(text)


def output_option(text: str) -> Any:
    """The option --output with its help text."""
    return typer.Option("--output", "-o", parser=output_path, metavar="PATH", help=text)


def burn_in_option(text: str) -> Any:
    """The option --burn-in with its help text."""
    return typer.Option("--burn-in", "--burnin", parser=parse_share, metavar="SHARE", help=text)


def use_threads(threads: int | None) -> None:
    """Let the kernels use that many threads; None: one per core that the process may use."""
    from vbpi_mix.felsenstein import set_threads

    set_threads(threads)


def format_estimate(estimate: "Estimate", *, digits: int = 3) -> str:
    """An estimate with its standard error, if it has one."""
    error = estimate.standard_error
    return f"{estimate.value:.{digits}f}" + ("" if math.isnan(error) else f" +- {error:.{digits}f}")
