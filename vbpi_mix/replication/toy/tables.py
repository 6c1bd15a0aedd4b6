"""The figures of the toy benchmark: CSV, Markdown, and the comparisons that the paper makes."""

import csv
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vbpi_mix.io.files import atomic_write
from vbpi_mix.replication.rows import MixtureRow
from vbpi_mix.replication.toy.config import ToyConfig
from vbpi_mix.toys import ExactPosterior

Job = tuple[MixtureRow, int]

# which row the paper compares with which, and what it says of the first (Section 6.1)
CLAIMS = (
    ("s2a:2:5", "a2a:5:5", "the same bound in a fraction of the time"),
    ("s2s:2:5", "a2a:5:5", "a lower bound, in a short time"),
    ("s2s:5:20", "a2a:5:5", "a higher bound in about the same time"),
    ("s2a:1:20", "a2a:5:5", "the highest bound and the shortest time of all"),
    ("s2a:1:20", "s2s:5:20", "the highest bound and the shortest time of all"),
    ("s2a:1:20", "s2s:2:5", "the highest bound and the shortest time of all"),
)


@dataclass(frozen=True, kw_only=True)
class ToyTables:
    """Everything that tables and pictures show.

    Arguments:
        config: models that were trained.
        exact: marginal likelihood and moments by quadrature.
        results: the result of every row and seed (see `toy_train`).
        provenance: provenance of the first model: its machine and commit.
        times: milliseconds per step by (dimension, energy), then by row, see `toy_timing`.
    """

    config: ToyConfig
    exact: ExactPosterior
    results: Mapping[Job, Mapping[str, Any]]
    provenance: Mapping[str, Any]
    times: Mapping[tuple[int, str], Mapping[str, float]]

    @classmethod
    def collect(
        cls,
        config: ToyConfig,
        exact: ExactPosterior,
        records: Mapping[Job, Mapping[str, Any]],
        timings: Mapping[str, Any],
    ) -> "ToyTables":
        """From the records of all models and of the timing."""
        times: dict[tuple[int, str], dict[str, float]] = {}
        for line in timings["result"]["steps"]:
            times.setdefault((line["dimension"], line["energy"]), {})[line["row"]] = line["ms"]
        first = next(iter(records.values()))
        results = {job: record["result"] for job, record in records.items()}
        return cls(config=config, exact=exact, results=results, provenance=first["provenance"], times=times)

    def gaps(self, row: MixtureRow) -> list[float]:
        """log p(x) minus the exact bound, KL(q || posterior) in nats, seed by seed."""
        return [self.exact.log_evidence - self.results[row, seed]["bound"] for seed in self.config.seeds]

    def step_ms(self, row: MixtureRow) -> float:
        """Milliseconds per step in the benchmark's own case: 20 dimensions, sequential."""
        return next(iter(self.times.values()))[row.word]


def write_tables(tables: ToyTables, folder: Path) -> list[Path]:
    """Write `toy.csv` (a line per model) and `toy.md` (a line per row, and the paper's comparisons)."""
    csv_path, markdown_path = folder / "toy.csv", folder / "toy.md"
    lines = csv_lines(tables)
    with atomic_write(csv_path) as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    with atomic_write(markdown_path) as file:
        file.write(markdown(tables))
    return [csv_path, markdown_path]


def csv_lines(tables: ToyTables) -> list[dict[str, Any]]:
    """One flat record per trained model; bounds and marginal likelihood in nats."""
    lines = []
    for (row, seed), result in tables.results.items():
        lines.append(
            {
                "estimator": row.estimator,
                "S": row.n_sampled,
                "A": row.n_components,
                "seed": seed,
                "iterations": tables.config.iterations,
                "bound": f"{result['bound']:.6f}",
                "log_evidence": f"{tables.exact.log_evidence:.6f}",
                "gap": f"{tables.exact.log_evidence - result['bound']:.6f}",
                "log_ml_pooled": f"{result['log_ml_pooled']:.6f}",
                "log_ml_pooled_se": f"{result['log_ml_pooled_se']:.6f}",
                "pareto_k": f"{result['pareto_k']:.3f}",
                "training_seconds": f"{result['seconds']:.1f}",
                "training_processor_seconds": f"{result['processor_seconds']:.1f}",
                "ms_per_step": f"{tables.step_ms(row):.4f}",
            }
        )
    return lines


def markdown(tables: ToyTables) -> str:
    """The tables as Markdown, with machine and commit."""
    config, exact, made = tables.config, tables.exact, tables.provenance
    cases = list(tables.times)
    heads = [f"ms per step, D = {d}, {energy}" for d, energy in cases]
    text = [
        f"# Toy: {config.title}",
        "",
        f"Exact log marginal likelihood {exact.log_evidence:.6f} nats by quadrature (error below {exact.error:.0e}, "
        f"{exact.n_nodes:,} nodes); data seed {config.data_seed}, N = {config.n_points}, D = {config.dimension}, "
        f"{'one z for all points' if config.latents == 'one' else 'data drawn with a z per point'}; "
        f"energy {config.energy}. Trained at commit {str(made['commit'])[:7]} on {made['processor']}, "
        f"torch {made['packages'].get('torch')}, one thread.",
        "",
        "Bounds are those of the whole mixture, by quadrature; the gap is log marginal likelihood minus bound, which "
        "is KL(q || posterior), in nats: mean over seeds (lowest to highest). Steps were timed in turns (median of 7 "
        "blocks).",
        "",
        _row("mixture", "bound", "gap", *heads, "training, s of processor"),
        _row(*["---"] * (4 + len(cases))),
    ]
    for row in config.rows:
        gaps = tables.gaps(row)
        seconds = statistics.mean(tables.results[row, seed]["processor_seconds"] for seed in config.seeds)
        mean = statistics.mean(gaps)
        text.append(
            _row(
                row.label,
                f"{exact.log_evidence - mean:.4f}",
                f"{mean:.4f} ({min(gaps):.4f} to {max(gaps):.4f})",
                *(f"{tables.times[case][row.word]:.3f}" for case in cases),
                f"{seconds:.0f}",
            )
        )
    compared = comparisons(tables)
    if compared:
        text += [
            "",
            "## What the paper compares",
            "",
            "Differences of the exact bound, mean over seeds with its standard error (seeds are paired), and the "
            "ratio of the times of a step.",
            "",
            _row(
                "first",
                "second",
                "the paper says of the first",
                "bound, first - second",
                *(f"time, {h[13:]}" for h in heads),
            ),
            _row(*["---"] * (4 + len(cases))),
            *(_row(*line) for line in compared),
        ]
    return "\n".join(text) + "\n"


def comparisons(tables: ToyTables) -> list[tuple[str, ...]]:
    """The claims whose two rows were trained, with the numbers that they stand or fall by."""
    rows = {row.word: row for row in tables.config.rows}
    lines = []
    for first, second, claim in CLAIMS:
        if first not in rows or second not in rows:
            continue
        a, b = rows[first], rows[second]
        differences = [y - x for x, y in zip(tables.gaps(a), tables.gaps(b), strict=True)]
        error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else None
        difference = f"{statistics.mean(differences):+.4f}" + ("" if error is None else f" ± {error:.4f}")
        ratios = [f"{times[first] / times[second]:.2f}" for times in tables.times.values()]
        lines.append((a.label, b.label, claim, difference, *ratios))
    return lines


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
