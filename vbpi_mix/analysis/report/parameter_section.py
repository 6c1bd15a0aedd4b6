"""The report's section on the parameters of the substitution model."""

from collections.abc import Mapping

from vbpi_mix.analysis.report.content import ReportContent
from vbpi_mix.analysis.report.markup import both_widths, figure, table, text
from vbpi_mix.posterior.drawing.svg import Drawing

_CAPTION = (
    "Posterior densities of the tree length (TL) and the parameters of the substitution model, with the mean (line) "
    "and the 95% highest-density interval (filled)."
)


def parameters_section(content: ReportContent, figures: Mapping[str, Drawing]) -> str:
    """Table and densities of what is inferred."""
    found = content.parameters
    note = (
        "Names as in MrBayes: r shares of the exchangeabilities, pi state frequencies, alpha shape of the gamma "
        "distribution of site rates, pinvar proportion of invariant sites, m rate of a part of the alignment relative "
        "to the mean, weight and rate of free rate categories; TL is the tree length in expected substitutions per "
        "site. posterior/parameters.tsv has the table."
    )
    rows = [
        f'<tr><td>{text(name)}</td><td class="number">{found.mean[i]:.4f}</td>'
        f'<td class="number">{found.low[i]:.4f} to {found.high[i]:.4f}</td>'
        f'<td class="number optional">{found.sd[i]:.4f}</td>'
        f'<td class="number optional">{found.effective_sample_size[i]:,.0f}</td></tr>'
        for i, name in enumerate(found.names)
    ]
    columns = [
        ("Parameter", ""),
        ("Mean", "number"),
        ("95% interval", "number"),
        ("Standard deviation", "number optional"),
        ("Effective sample size", "number optional"),
    ]
    drawn = figure(both_widths(figures, "parameters"), _CAPTION)
    return f'{drawn}<p class="note">{text(note)}</p>\n{table(columns, rows)}'
