"""The report's section on how sure the whole tree is."""

from collections.abc import Mapping

from vbpi_mix.analysis.report.content import ReportContent
from vbpi_mix.analysis.report.markup import figure, table, text
from vbpi_mix.posterior.drawing.svg import Drawing
from vbpi_mix.posterior.questions.credible import counted

_CAPTION = (
    "Posterior probability held by the topologies that rank highest, together; the dashed lines mark the 50% and 95% "
    "credible sets."
)
_MOST_ISLANDS = 4
_MOST_SPLITS = 3


def certainty_section(content: ReportContent, figures: Mapping[str, Drawing]) -> str:
    """A paragraph to copy, the credible sets with a picture, islands."""
    found = content.certainty
    rows = [
        f'<tr><td class="number">{s.level:.0%}</td><td class="number">{s.probability:.4f} ± {s.standard_error:.4f}</td>'
        f'<td class="number">{counted(s)}</td>'
        f'<td class="number">{s.n_splits:,}</td><td class="number optional">{s.n_subsplits:,}</td></tr>'
        for s in found.sets
    ]
    columns = [
        ("Credible set", "number"),
        ("Probability", "number"),
        ("Topologies", "number"),
        ("Splits", "number"),
        ("Clades with their parts", "number optional"),
    ]
    note = (
        "A form of words to copy. A credible set holds the topologies that rank highest by the fitted distribution, "
        "until the level is reached. vbpi-mix ask answers further questions: clades, trees, constraints, quartets."
    )
    body = f"<p>{text(found.paragraph())}</p>\n{figure(figures['credible'].svg(), _CAPTION, 'chart')}"
    body += f'<p class="note">{text(note)}</p>\n{table(columns, rows)}'
    main = [island for island in found.islands if island.probability >= 0.01][:_MOST_ISLANDS]
    if len(main) > 1:
        items = []
        for island in main:
            apart = "; ".join(
                f"{', '.join(taxa)} ({here:.2f} here, {elsewhere:.2f} elsewhere)"
                for taxa, here, elsewhere in island.splits[:_MOST_SPLITS]
            )
            shown = f"{island.probability:.3f} of the posterior, {island.n_topologies:,} topologies"
            items.append(f"<li>{text(shown + (': ' + apart if apart else ''))}</li>")
        body += '<p class="note">Islands of the 95% set and the splits that set them apart:</p>\n'
        body += f"<ul>{''.join(items)}</ul>\n"
    return body
