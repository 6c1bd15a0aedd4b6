"""One page that shows a whole batch."""

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from vbpi_mix.analysis.report.markup import facts, table, text
from vbpi_mix.batch.options import Locus, LocusOptions
from vbpi_mix.batch.table import FAILED, Row
from vbpi_mix.writing import atomic_write

_LISTED = 20
_LEVELS = ("good", "fair", "poor", FAILED)
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1.5rem; font-size: 0.9rem; }
th, td { text-align: left; padding: 0.2rem 0.6rem; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
dl.facts { display: grid; grid-template-columns: max-content auto; gap: 0.2rem 1rem; }
dl.facts dd { margin: 0; }
.bar { display: flex; height: 1.2rem; margin: 1rem 0; background: #eee; }
.good { background: #2c7a4b; } .fair { background: #d9a520; }
.poor { background: #c4501b; } .failed { background: #777; }
"""


def write_page(path: Path, rows: Sequence[Row], n_loci: int, output: Path) -> None:
    """Progress, verdicts, costs, the slowest, the flattest and the failed loci; fetches nothing.

    Arguments:
        path: The page.
        rows: Rows of the loci that ended.
        n_loci: Asked for.
        output: Folder of the batch, for links to reports.

    Raises:
        InputError: it cannot be written.
    """
    done = [row for row in rows if not row.failed]
    counts = {level: sum(row.level == level for row in rows) for level in _LEVELS}
    bar = "".join(
        f'<div class="{level}" style="width:{100 * n / max(1, n_loci):.2f}%" title="{n:,} {level}"></div>'
        for level, n in counts.items()
    )
    about = [
        ("Loci", f"{len(rows):,} of {n_loci:,}"),
        ("Verdicts", ", ".join(f"{n:,} {level}" for level, n in counts.items())),
    ]
    for name, values, form in (
        ("Taxa", [row.taxa for row in done], ",.0f"),
        ("Sites", [row.sites for row in done], ",.0f"),
        ("Effective topologies", [row.effective_topologies for row in done], ",.1f"),
        ("Probability of the best topology", [row.top_probability for row in done], ".2f"),
        ("Core-seconds of a locus", [row.core_seconds for row in done], ",.1f"),
    ):
        if values:
            about.append(
                (name, f"{min(values):{form}} to {max(values):{form}}, median {statistics.median(values):{form}}")
            )
    about.append(("Core-seconds in all", f"{sum(row.core_seconds for row in rows):,.0f}"))
    parts = [
        "<h1>Loci</h1>",
        f'<div class="bar">{bar}</div>',
        facts(about),
        _section("Failed", [r for r in rows if r.failed], lambda r: r.locus, output, reverse=False, error=True),
        _section("Poor", [r for r in done if r.level == "poor"], lambda r: r.locus, output, reverse=False),
        _section("Slowest", done, lambda r: r.core_seconds, output),
        _section("Flattest", done, lambda r: r.effective_topologies, output),
    ]
    with atomic_write(path) as file:
        file.write(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Loci</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n'
            + "\n".join(parts)
            + "\n</body></html>\n"
        )


def _section(
    title: str,
    rows: list[Row],
    by: Callable[[Row], float | str],
    output: Path,
    *,
    reverse: bool = True,
    error: bool = False,
) -> str:
    if not rows:
        return ""
    shown = sorted(rows, key=by, reverse=reverse)[:_LISTED]
    if error:
        lines = [f"<tr><td>{text(r.locus)}</td><td>{text(r.error)}</td></tr>" for r in shown]
        body = table([("Locus", ""), ("Reason", "")], lines)
    else:
        columns = ["Taxa", "Sites", "Effective topologies", "Best", "Log ML", "Core-seconds"]
        body = table(
            [("Locus", ""), *((name, "number") for name in columns), ("Verdict", "")],
            [_line(row, output) for row in shown],
        )
    more = (
        f" ({len(rows):,}, the first {_LISTED})" if len(rows) > _LISTED else f" ({len(rows):,})" if not reverse else ""
    )
    return f"<h2>{title}{more}</h2>\n{body}"


def _line(row: Row, output: Path) -> str:
    report = Locus(name=row.locus, path=Path(), options=LocusOptions()).run_path(output) / "report.html"
    name = text(row.locus)
    if row.depth == "fit" and report.is_file():
        name = f'<a href="{text(report.relative_to(output).as_posix())}">{name}</a>'
    log_ml = "" if math.isnan(row.log_ml) else f"{row.log_ml:,.2f} ± {row.log_ml_error:.2f}"
    numbers = [
        f"{row.taxa:,}", f"{row.sites:,}", f"{row.effective_topologies:,.1f}", f"{row.top_probability:.3f}", log_ml,
        f"{row.core_seconds:,.1f}",
    ]  # fmt: skip
    cells = "".join(f'<td class="number">{x}</td>' for x in numbers)
    return f"<tr><td>{name}</td>{cells}<td>{row.level}: {text(row.verdict)}</td></tr>"
