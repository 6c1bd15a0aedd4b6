"""The tables for LaTeX: plain `tabular`, no packages."""

from collections.abc import Sequence

from vbpi_mix.replication.table3.columns import (
    ELBO,
    EQUAL,
    EQUAL_SD,
    KL,
    LB10,
    NOTHING,
    PARETO,
    POOLED,
    POSTERIOR,
    TRAINING_SECONDS,
    TV,
    TV_WEIGHTED,
    bracketed,
    mark,
    number,
    pooled_text,
)
from vbpi_mix.replication.table3.published import SOURCE, Published
from vbpi_mix.replication.table3.results import Cell, Variant
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, Table3Row

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", NOTHING: "--", "±": r"$\pm$", "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
}  # fmt: skip
_FURTHER = (ELBO, LB10, PARETO, KL, TV, TV_WEIGHTED, *POSTERIOR[3:5], TRAINING_SECONDS)
_SPLIT_HEADS = ("splits, mean", "splits, worst")


def latex(variants: Sequence[Variant], published: Published) -> str:
    """Two `tabular` environments for each way of training: Table 3 with the published values, and further columns.

    Columns are those of the Markdown file, which says what they mean.
    """
    lines = [f"% Published values: {SOURCE}.", "% dagger: above the published value by more than the tolerance"]
    for variant in variants:
        lines += ["", f"% {variant.title}: -log ML (sd), under it the published value", *_main(variant, published)]
        lines += ["", f"% {variant.title}: further columns", *_further(variant)]
    return "\n".join(lines) + "\n"


def _main(variant: Variant, published: Published) -> list[str]:
    lines = [rf"\begin{{tabular}}{{lrrrr{'r' * len(variant.data)}}}", r"\hline"]
    lines += [_row("estimator", "A", "S", "#p", "#q", *variant.data), r"\hline"]
    for row in TABLE3_ROWS:
        ours, theirs = [], []
        for data in variant.data:
            cell, known = variant.cell(data, row), published.models.get((data, row))
            ours.append(NOTHING if cell is None else bracketed(cell.nll, cell.nll_sd) + mark(data, cell, known))
            theirs.append(NOTHING if known is None else bracketed(known.nll, known.sd))
        counts = (row.n_components, row.n_sampled, *row.n_evaluations)
        lines += [_row(row.estimator.upper(), *map(str, counts), *ours), _row("", "", "", "", "", *theirs, italic=True)]
    stones = [published.mrbayes.get(data) for data in variant.data]
    texts = [NOTHING if value is None else bracketed(value.nll, value.sd) for value in stones]
    return [*lines, r"\hline", _row("MrBayes", "", "", "", "", *texts), r"\hline", r"\end{tabular}"]


def _further(variant: Variant) -> list[str]:
    heads = ["data", "A,S", EQUAL.head, POOLED.head, *(column.head for column in _FURTHER)]
    for column, head in zip(POSTERIOR[3:5], _SPLIT_HEADS, strict=True):
        heads[4 + _FURTHER.index(column)] = head
    lines = [rf"\begin{{tabular}}{{ll{'r' * (len(heads) - 2)}}}", r"\hline", _row(*heads), r"\hline"]
    for data in variant.data:
        there = [(row, variant.cell(data, row)) for row in TABLE3_ROWS]
        lines += [_further_row(data, row, cell) for row, cell in there if cell is not None]
        lines.append(r"\hline")
    return [*lines, r"\end{tabular}"]


def _further_row(data: str, row: Table3Row, cell: Cell) -> str:
    return _row(
        data,
        row.label,
        f"{EQUAL.text(cell)} ({number(EQUAL_SD.mean(cell), 2)})",
        pooled_text(cell),
        *(column.text(cell) for column in _FURTHER),
    )


def _row(*cells: str, italic: bool = False) -> str:
    texts = ["".join(_SPECIAL.get(letter, letter) for letter in cell) for cell in cells]
    texts = [rf"\textit{{{text}}}" if italic and text else text for text in texts]
    return " & ".join(texts) + r" \\"
