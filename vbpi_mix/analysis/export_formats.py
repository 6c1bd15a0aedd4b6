"""The words of `vbpi-mix export --format`."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from vbpi_mix.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A word of `--format`.

    Arguments:
        endings: endings of the files that it writes.
        holds_weights: whether weighted trees can be written so.
        by_default: whether it is written when no format is asked for.
    """

    endings: tuple[str, ...]
    holds_weights: bool = True
    by_default: bool = True


# MrBayes calls what `sumt filename=posterior.mb` writes posterior.mb.con.tre and so on: none of the names below
FORMATS = {
    "trees": ExportFormat(endings=(".trees",)),
    "mrbayes": ExportFormat(endings=(".mb.t", ".mb.p"), holds_weights=False),
    "trprobs": ExportFormat(endings=(".trprobs",)),
    "newick": ExportFormat(endings=(".nwk",), holds_weights=False),
    "log": ExportFormat(endings=(".log",)),
    "consensus": ExportFormat(endings=(".con.tre", ".con.nwk")),
    "map": ExportFormat(endings=(".map.tre",)),
    "splits": ExportFormat(endings=(".splits.tsv",)),
    "netcdf": ExportFormat(endings=(".nc",), by_default=False),
}


def choose_formats(words: Sequence[str], *, weighted: bool) -> tuple[str, ...]:
    """The formats asked for, in the order of `FORMATS`; none asked for: those that are written by default.

    Arguments:
        words: names of formats, several in one word with commas between; "all" means each that fits.
        weighted: whether the trees carry weights.

    Raises:
        ConfigError: an unknown format, or one that cannot hold weights.
    """
    fitting = [name for name, form in FORMATS.items() if form.holds_weights or not weighted]
    asked = [name.strip() for word in words for name in word.split(",")]
    if not asked:
        return tuple(name for name in fitting if FORMATS[name].by_default)
    for name in asked:
        if name != "all" and name not in FORMATS:
            near = get_close_matches(name, [*FORMATS, "all"], n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise ConfigError(f"unknown format '{name}'{hint}: choose from {', '.join(FORMATS)}, or all")
        if name != "all" and name not in fitting:
            raise ConfigError(
                f"format '{name}' holds no weights: leave out --weighted, or choose from {', '.join(fitting)}"
            )
    return tuple(name for name in fitting if "all" in asked or name in asked)
