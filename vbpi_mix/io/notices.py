"""The one channel for what a file says and the program does not obey, or that a user should know of a file.

Readers issue an `InputWarning`, the standard way of Python libraries; the command line prints each text once, as a
`warning:` line.
"""

import warnings

from vbpi_mix.errors import InputWarning

_LISTED = 8


def notice(text: str) -> None:
    """Tell the user something about an input."""
    warnings.warn(text, InputWarning, stacklevel=3)


def listed(items: list[str], most: int = _LISTED) -> str:
    """Items with commas between them, the first few where there are many."""
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
