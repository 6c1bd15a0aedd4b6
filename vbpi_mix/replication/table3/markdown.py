"""The tables as Markdown, ours beside the published."""

from collections.abc import Iterator, Sequence

from vbpi_mix.replication.table3.columns import (
    COSTS,
    ELBO,
    EQUAL,
    EQUAL_SD,
    ESS,
    FLAT_DATA,
    FLAT_TOLERANCE,
    LB10,
    NOTHING,
    PARETO,
    POOLED,
    POSTERIOR,
    TOLERANCE,
    TRAINING_SECONDS,
    bracketed,
    difference,
    mark,
    number,
    pooled_text,
    with_spread,
)
from vbpi_mix.replication.table3.published import ELBO_SOURCE, SOURCE, Published
from vbpi_mix.replication.table3.results import Cell, Variant
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, Table3Row
from vbpi_mix.replication.table3.shortfalls import shortfalls

_SHOWN_SETTINGS = ("iterations", "particles", "rate_topology", "rate_base", "rate_flow", "decay_every")
_EVIDENCE = (EQUAL, POOLED, ELBO, LB10, PARETO, ESS)


def markdown(variants: Sequence[Variant], published: Published) -> str:
    """Every table with what it means, what falls short, and what it was made with."""
    lines = ["# Table 3, regenerated", "", *_legend(), ""]
    for variant in variants:
        lines += _section(variant, published)
    if len(variants) > 1:
        lines += _side_by_side(variants, published)
    return "\n".join(lines).rstrip() + "\n"


def _legend() -> list[str]:
    flat = ", ".join(FLAT_DATA)
    return [
        f"Published values: {SOURCE}. All logarithms are natural.",
        "",
        "- **-log ML** as the paper prints it: per repeat the mean over components of the log mean weight of 1,000 "
        "draws of each, averaged over repeats and seeds; in brackets the standard deviation of all repeats of all "
        "seeds together. More components draw more samples: the bracket falls with A even if all components are alike.",
        f"- **†** above the published value by more than {TOLERANCE:.2f} ({FLAT_TOLERANCE:.2f} on {flat}), **‡** below "
        "it by more than that. **±** is the standard deviation between seeds, where there are several.",
        "- **1,000 samples in all**: the same total for every A, 1,000 // A draws of each component and repeat, pooled "
        "within a repeat; in brackets the standard deviation over repeats. **Pooled** takes the draws of all repeats "
        "together, ± its standard error (of the draws, not of the training).",
        "- **KL(golden to q)** and **TV of q**: from the long MCMC run to the exact topology probabilities of q, which "
        "count as 2.2e-16 where they are lower (Kullback-Leibler divergence; total variation). **TV weighted**: to the "
        "topologies of the importance-weighted draws.",
        "- **splits**: |difference| of split frequencies from the MCMC run, the mean over splits of frequency 0.1 or "
        "more on either side, and the worst of all; of the weighted draws, and of the unweighted draws of q.",
        "- **#p**, **#q**: log joints of trees and log densities of trees under components that a training step takes "
        "per particle; **ms**: measured, per tree, in batches of 10, forward only. Times are wall clock.",
    ]


def _section(variant: Variant, published: Published) -> list[str]:
    lines = [f"## {variant.title[0].upper()}{variant.title[1:]}", "", *_made_with(variant), ""]
    lines += [*_main_table(variant, published), ""]
    short = shortfalls(variant, published)
    lines += ["### What falls short", "", *(f"- {line}" for line in short or ["nothing"]), ""]
    for data in variant.data:
        lines += _data_section(variant, data, published)
    return lines


def _made_with(variant: Variant) -> list[str]:
    shown = [f"{name} {variant.settings[name]:g}" for name in _SHOWN_SETTINGS if name in variant.settings]
    made = "; ".join(
        f"commit {commit} on {processor}, torch {torch}, {threads} thread{'s' if threads != 1 else ''}"
        for commit, processor, torch, threads in variant.provenance
    )
    lines = [f"{', '.join(shown)}. Made at {made}."]
    together = max((x for cell in variant.cells.values() for x in cell.values("trained.together")), default=1)
    if together > 1:
        lines.append(
            f"Up to {together:.0f} models were trained together: each one's training time is that of all of them."
        )
    lines += [
        f"**Not all models were trained alike**: {name} is {' or '.join(map(str, values))}."
        for name, values in variant.varying.items()
    ]
    return lines


def _main_table(variant: Variant, published: Published) -> list[str]:
    """Ours over the published value in every cell, and MrBayes' line."""
    rows = _rows(variant)
    lines = ["-log ML (sd); under it, in italics, the published value.", ""]
    lines += _table_head(["estimator", "A", "S", "#p", "#q", *variant.data])
    for row in rows:
        cells = []
        for data in variant.data:
            cell, known = variant.cell(data, row), published.models.get((data, row))
            theirs = NOTHING if known is None else bracketed(known.nll, known.sd)
            cells.append(f"{_ours(data, cell, published, row)}<br>*{theirs}*")
        n_p, n_q = row.n_evaluations
        lines.append(_row(row.estimator.upper(), str(row.n_components), str(row.n_sampled), str(n_p), str(n_q), *cells))
    known = [published.mrbayes.get(data) for data in variant.data]
    theirs = [NOTHING if value is None else f"*{bracketed(value.nll, value.sd)}*" for value in known]
    return [*lines, _row("MrBayes, stepping stone", "", "", "", "", *theirs)]


def _ours(data: str, cell: Cell | None, published: Published, row: Table3Row) -> str:
    if cell is None:
        return NOTHING
    return bracketed(cell.nll, cell.nll_sd) + mark(data, cell, published.models.get((data, row)))


def _data_section(variant: Variant, data: str, published: Published) -> Iterator[str]:
    cells = [(row, variant.cell(data, row)) for row in _rows(variant)]
    there = [(row, cell) for row, cell in cells if cell is not None]
    yield from [f"### {data}", "", "Evidence and bounds, nats", ""]
    yield from _table_head(
        ["A,S", "seeds", "-log ML (sd)", "published", "difference", *(column.head for column in _EVIDENCE)]
    )
    for row, cell in there:
        known = published.models.get((data, row))
        apart = difference(cell, known)
        yield _row(
            row.label,
            " ".join(map(str, cell.seeds)),
            with_spread(cell.nll, cell.spread("evaluation.log_ml"), 2) + f" ({number(cell.nll_sd, 2)})",
            NOTHING if known is None else bracketed(known.nll, known.sd),
            NOTHING if apart is None else f"{apart:+.2f}{mark(data, cell, known)}",
            f"{EQUAL.text(cell)} ({number(EQUAL_SD.mean(cell), 2)})",
            pooled_text(cell),
            *(column.text(cell) for column in (ELBO, LB10, PARETO, ESS)),
        )
    if data in published.mrbayes:
        stones = published.mrbayes[data]
        yield _row("MrBayes, stepping stone", "", "", bracketed(stones.nll, stones.sd), *[""] * 7)
    if data in published.elbo:
        yield _row("single SBN, published", *[""] * 6, number(published.elbo[data], 2), *[""] * 3)
        yield from ["", f"Published ELBO(1): {ELBO_SOURCE}."]
    yield from _posterior_table(there)
    yield from ["", "Cost", ""]
    yield from _table_head(["A,S", "#p", "#q", *(column.head for column in COSTS)])
    for row, cell in there:
        yield _row(row.label, *map(str, row.n_evaluations), *(column.text(cell) for column in COSTS))
    if data in published.costs:
        p_ms, q_ms = published.costs[data]
        yield _row("paper, i5-1130G7", "", "", number(p_ms, 3), number(q_ms, 3), *[""] * (len(COSTS) - 2))
    yield ""


def _posterior_table(there: Sequence[tuple[Table3Row, Cell]]) -> Iterator[str]:
    references = {result["splits"]["reference"] for _, cell in there for result in cell.results if result.get("splits")}
    if not references:
        yield from ["", "No MCMC run to compare posteriors with was given."]
        return
    yield from ["", f"Posterior against MCMC ({', '.join(sorted(references))})", ""]
    shown = [column for column in POSTERIOR if any(column.mean(cell) is not None for _, cell in there)]
    yield from _table_head(["A,S", *(column.head for column in shown)])
    for row, cell in there:
        yield _row(row.label, *(column.text(cell) for column in shown))


def _side_by_side(variants: Sequence[Variant], published: Published) -> list[str]:
    """-log ML, ELBO and training time of the same row under each way of training."""
    lines = ["## The tables side by side", "", "-log ML (sd); ELBO(1); training, s.", ""]
    for data in dict.fromkeys(data for variant in variants for data in variant.data):
        shown = [variant for variant in variants if data in variant.data]
        if len(shown) < 2:
            continue
        rows = dict.fromkeys(row for variant in shown for row in _rows(variant) if variant.cell(data, row))
        lines += [f"### {data}: side by side", "", *_table_head(["A,S", *(v.title for v in shown), "published"])]
        for row in rows:
            texts = []
            for variant in shown:
                cell = variant.cell(data, row)
                texts.append(
                    NOTHING
                    if cell is None
                    else f"{_ours(data, cell, published, row)}; {number(ELBO.mean(cell), 2)}; "
                    f"{number(TRAINING_SECONDS.mean(cell), 0)}"
                )
            known = published.models.get((data, row))
            lines.append(_row(row.label, *texts, NOTHING if known is None else bracketed(known.nll, known.sd)))
        lines.append("")
    return lines


def _rows(variant: Variant) -> list[Table3Row]:
    return list(dict.fromkeys((*TABLE3_ROWS, *(row for _, row in variant.cells))))


def _table_head(names: Sequence[str]) -> list[str]:
    return [_row(*names), _row(*["---"] * len(names))]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
