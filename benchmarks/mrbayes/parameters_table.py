"""The Markdown tables of `benchmarks.mrbayes.parameters`."""

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def comparison_table(title: str, rows: Sequence[Row]) -> str:
    """Parameters, splits and evidence of one data set under one model; `-` where one side has nothing."""
    lines = [
        f"# {title}",
        "",
        "| | MrBayes: mean ± error | 95 % interval | ESS | ours: mean | 95 % interval | difference in sd | in errors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["what"] != "parameter":
            continue
        theirs, mine = row.get("mrbayes"), row.get("ours")
        cells = [
            f"{theirs['mean']:.4f} ± {theirs['error']:.4f}" if theirs else "-",
            _interval(theirs),
            f"{theirs['ess']:,.0f}" if theirs else "-",
            f"{mine['mean']:.4f}" if mine else "-",
            _interval(mine),
            _signed(row.get("difference_in_sd")),
            _signed(row.get("difference_in_errors")),
        ]
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    lines.append("")
    for row in rows:
        if row["what"] == "splits":
            against = f"{row['largest']:.4f} to ours, " if "largest" in row else ""
            between = f"{row['largest_between_runs']:.4f} between MrBayes's two runs"
            deviation = f"average standard deviation {row['deviation_of_split_frequencies']:.4f}"
            lines.append(f"Largest difference of a split frequency: {against}{between} ({deviation}).")
        if row["what"] == "evidence":
            lines.append(_evidence(row))
    return "\n".join(lines) + "\n"


def ranking_table(title: str, rows: Sequence[Row]) -> str:
    """Models by evidence, the best of stepping stone first."""
    lines = [
        f"# {title}: models by evidence",
        "",
        "| model | stepping stone | probability | ours | probability | difference | in errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: -row["mrbayes"]["mean"]):
        theirs, mine = row["mrbayes"], row.get("ours")
        cells = [
            f"{theirs['mean']:.2f} ± {theirs['error']:.2f}",
            f"{theirs['probability']:.4f}",
            f"{mine['log_evidence']:.2f} ± {mine['error']:.2f}" if mine else "-",
            f"{mine['probability']:.4f}" if mine else "-",
            _signed(row.get("difference")),
            _signed(row.get("difference_in_errors")),
        ]
        lines.append(f"| {row['model']} | {' | '.join(cells)} |")
    places = [(row["mrbayes"]["place"], row["ours"]["place"]) for row in rows if "ours" in row]
    if places:
        same = "the same order" if all(a == b for a, b in places) else "another order"
        lines += ["", f"Both evidences give {same}."]
    return "\n".join(lines) + "\n"


def _evidence(row: Row) -> str:
    theirs = row["mrbayes"]
    runs = ", ".join(f"{value:.2f}" for value in theirs["runs"])
    text = f"Log evidence: stepping stone {theirs['mean']:.2f} ± {theirs['error']:.2f} (runs {runs})"
    if "ours" in row:
        mine = row["ours"]
        text += (
            f", ours {mine['log_evidence']:.3f} ± {mine['error']:.3f}: difference {row['difference']:+.2f}, "
            f"{row['difference_in_errors']:+.1f} errors"
        )
    return text + "."


def _interval(side: Row | None) -> str:
    return "-" if side is None else f"{side['low']:.4f} to {side['high']:.4f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
