"""The numbers of a cell by name, and the CSV file of all of them."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vbpi_mix.replication.table3.published import Published, PublishedValue
from vbpi_mix.replication.table3.results import Cell, Variant
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, Table3Row

NOTHING = "–"  # where there is no number
TOLERANCE, FLAT_TOLERANCE = 0.10, 0.30  # nats from the published value; on data sets whose posterior is flat
FLAT_DATA = ("DS5", "DS6", "DS8")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A number of every model.

    Arguments:
        name: name in the CSV file.
        path: path of a value in a record's result.
        head: heading in tables.
        digits: number of digits after the point.
        sign: -1 for what is printed without its sign.
    """

    name: str
    path: str
    head: str
    digits: int = 2
    sign: int = 1

    def mean(self, cell: Cell) -> float | None:
        value = cell.mean(self.path)
        return None if value is None else self.sign * value

    def text(self, cell: Cell) -> str:
        """Mean over seeds, with ± their standard deviation where there are several."""
        return with_spread(self.mean(cell), cell.spread(self.path), self.digits)


EQUAL = Column(
    name="nll_equal_total",
    path="evaluation.equal_total_log_ml",
    head="-log ML, 1,000 samples in all (sd)",
    sign=-1,
)
EQUAL_SD = Column(name="nll_equal_total_sd", path="evaluation.equal_total_log_ml_std", head="its sd", digits=2)
POOLED = Column(
    name="nll_pooled", path="evaluation.equal_total_log_ml_pooled", head="-log ML, pooled (± se)", digits=3, sign=-1
)
POOLED_SE = Column(name="nll_pooled_se", path="evaluation.equal_total_log_ml_pooled_se", head="its se", digits=3)
ELBO = Column(name="elbo", path="evaluation.elbo", head="ELBO(1)")
LB10 = Column(name="lb10", path="evaluation.lb10", head="LB-10")
PARETO = Column(name="pareto_k", path="evaluation.pareto_k", head="Pareto k")
ESS = Column(name="relative_ess", path="evaluation.relative_ess", head="ESS per draw", digits=3)
KL = Column(name="kl", path="topologies.kl", head="KL(golden to q)", digits=4)
TV = Column(name="tv", path="topologies.tv", head="TV of q", digits=4)
TV_WEIGHTED = Column(name="tv_weighted", path="topologies.tv_weighted", head="TV weighted", digits=4)
POSTERIOR = (
    KL,
    TV,
    TV_WEIGHTED,
    Column(name="splits_weighted_mean", path="splits.weighted.mean", head="splits weighted, mean", digits=4),
    Column(name="splits_weighted_worst", path="splits.weighted.worst", head="worst", digits=4),
    Column(name="splits_q_mean", path="splits.q.mean", head="splits of q, mean", digits=4),
    Column(name="splits_q_worst", path="splits.q.worst", head="worst", digits=4),
)
COSTS = (
    Column(name="p_ms", path="operations.p_ms", head="ms of a p", digits=3),
    Column(name="q_ms", path="operations.q_ms", head="ms of a q", digits=3),
    Column(name="iterations", path="iterations", head="iterations", digits=0),
    Column(name="training_seconds", path="seconds.training", head="training, s", digits=0),
    Column(name="candidates_seconds", path="seconds.candidates", head="candidates, s", digits=0),
    Column(name="growth_seconds", path="seconds.growth", head="growth, s", digits=0),
    Column(name="total_seconds", path="seconds.total", head="alignment to model, s", digits=0),
)
TRAINING_SECONDS = COSTS[3]
COLUMNS = (EQUAL, EQUAL_SD, POOLED, POOLED_SE, ELBO, LB10, PARETO, ESS, *POSTERIOR, *COSTS)


def tolerance(data: str) -> float:
    """Distance from the published value that -log ML may have without a mark, in nats."""
    return FLAT_TOLERANCE if data in FLAT_DATA else TOLERANCE


def difference(cell: Cell, known: PublishedValue | None) -> float | None:
    """Our -log ML minus the published one, nats: positive is worse; rounded as both are printed."""
    return None if known is None or cell.nll is None else round(round(cell.nll, 2) - known.nll, 2)


def mark(data: str, cell: Cell, known: PublishedValue | None) -> str:
    """A dagger where our -log ML is higher than the published one by more than the tolerance, two where it is lower."""
    value = difference(cell, known)
    if value is None or abs(value) <= tolerance(data) + 1e-9:
        return ""
    return "†" if value > 0 else "‡"


def number(value: float | None, digits: int) -> str:
    """Fixed digits, thousands apart from 10,000 on where there are none; a dash for None."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if digits == 0 else f"{value:.{digits}f}"


def with_spread(value: float | None, spread: float | None, digits: int) -> str:
    """A mean and the standard deviation between seeds, if there is one other than 0."""
    return number(value, digits) + (f" ± {number(spread, digits)}" if spread and value is not None else "")


def pooled_text(cell: Cell) -> str:
    """The mean over seeds of the pooled estimates, ± its standard error from the draws."""
    errors = cell.values(POOLED_SE.path)
    error = sum(x * x for x in errors) ** 0.5 / len(errors) if len(errors) == len(cell.seeds) else None
    return with_spread(POOLED.mean(cell), error, POOLED.digits)


def bracketed(value: float | None, sd: float | None) -> str:
    """7108.42 (0.15), as the paper prints it."""
    return number(value, 2) + ("" if sd is None or value is None else f" ({number(sd, 2)})")


def csv_text(variants: Sequence[Variant], published: Published) -> str:
    """A line per table, data set and row, and MrBayes' lines; empty where there is no number, or no model yet."""
    lines: list[dict[str, Any]] = []
    for variant in variants:
        for data in variant.data:
            rows = dict.fromkeys((*TABLE3_ROWS, *(row for name, row in variant.cells if name == data)))
            lines += [_line(variant, data, row, published) for row in rows]
    for data in dict.fromkeys(data for variant in variants for data in variant.data):
        if data in published.mrbayes:
            value = published.mrbayes[data]
            blank = dict.fromkeys(lines[0], "")
            lines.append(
                {**blank, "table": "MrBayes stepping stone", "data": data}
                | {"published_nll": value.nll, "published_nll_sd": value.sd}
            )
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain_cell(value) for name, value in line.items()} for line in lines)
    return file.getvalue()


def plain_cell(value: Any) -> Any:
    """A value of a table, texts so that no spreadsheet takes them for a formula: with a quote before = + - @."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _line(variant: Variant, data: str, row: Table3Row, published: Published) -> dict[str, Any]:
    cell, known = variant.cell(data, row), published.models.get((data, row))
    n_p, n_q = row.n_evaluations
    line: dict[str, Any] = {
        "table": variant.name,
        "data": data,
        "estimator": row.estimator,
        "A": row.n_components,
        "S": row.n_sampled,
        "n_p": n_p,
        "n_q": n_q,
        "seeds": "" if cell is None else " ".join(map(str, cell.seeds)),
        "nll": "" if cell is None else _plain(cell.nll),
        "nll_sd": "" if cell is None else _plain(cell.nll_sd),
        "nll_between_seeds": "" if cell is None else _plain(cell.spread("evaluation.log_ml")),
        "published_nll": "" if known is None else known.nll,
        "published_nll_sd": "" if known is None else known.sd,
        "difference": "" if cell is None else _plain(difference(cell, known)),
        "beyond_tolerance": "" if cell is None or known is None else int(bool(mark(data, cell, known))),
    }
    for column in COLUMNS:
        line[column.name] = "" if cell is None else _plain(column.mean(cell))
        line[f"{column.name}_between_seeds"] = "" if cell is None else _plain(cell.spread(column.path))
    return line


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if abs(value) < 1000 else f"{value:.4f}"
