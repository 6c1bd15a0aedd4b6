"""Writing the report of a run: the page, and its figures as files."""

from pathlib import Path

from vbpi_mix.analysis.diagnose import Diagnosis
from vbpi_mix.analysis.report.content import ReportContent, gather
from vbpi_mix.analysis.report.page import html_page
from vbpi_mix.errors import InputError
from vbpi_mix.experiment.run import Run
from vbpi_mix.io.files import atomic_write
from vbpi_mix.posterior import WeightedSample
from vbpi_mix.posterior.drawing.chart_svg import lengths_drawing, training_drawing
from vbpi_mix.posterior.drawing.cloud_svg import cloud_drawing
from vbpi_mix.posterior.drawing.credible_svg import credible_drawing
from vbpi_mix.posterior.drawing.density_svg import densities_drawing
from vbpi_mix.posterior.drawing.svg import Drawing
from vbpi_mix.posterior.drawing.tree_svg import consensus_drawing

_WIDE, _NARROW = 880.0, 364.0


def figures_of(content: ReportContent) -> dict[str, Drawing]:
    """The drawings of a report by name; tree, cloud and parameters in two widths, and only those there is data for."""
    tree_title = f"Consensus tree of {content.name}"
    cloud_title = f"Posterior trees of {content.name}"
    figures: dict[str, Drawing] = {}
    for suffix, width in (("", _WIDE), ("_narrow", _NARROW)):
        figures[f"tree{suffix}"] = consensus_drawing(
            content.consensus, width=width, title=tree_title, outgroup=content.outgroup
        )
        figures[f"cloud{suffix}"] = cloud_drawing(content.cloud, width=width, title=cloud_title)
        if content.parameters.n_model_parameters:
            figures[f"parameters{suffix}"] = densities_drawing(
                content.densities,
                width=width,
                n_columns=4 if width == _WIDE else 2,
                title=f"Parameters of the substitution model of {content.name}",
            )
    largest = max(row.high for row in content.lengths) or 1.0
    for name, inner, what in (("lengths_tips", False, "tips"), ("lengths_inner", True, "inner branches")):
        rows = [row for row in content.lengths if row.inner == inner]
        if rows:
            title = f"Lengths of the {what} of {content.name}"
            figures[name] = lengths_drawing(rows, title=title, largest=largest)
    figures["credible"] = credible_drawing(
        content.certainty.ladder, title=f"Credible sets of topologies of {content.name}"
    )
    if len(content.training) > 1:
        iterations, bounds = content.training.T
        log_ml = content.diagnosis.evaluation.marginal_likelihood.value
        figures["training"] = training_drawing(iterations, bounds, log_ml)
    return figures


def write_report(
    run: Run,
    sample: WeightedSample,
    path: Path | str,
    *,
    figures: Path | str | None = None,
    outgroup: str | None = None,
    neighbours: bool = False,
    diagnosis: Diagnosis | None = None,
) -> list[Path]:
    """Write the page, and its figures as SVG files beside it.

    Arguments:
        run: the run.
        sample: weighted draws of the run, see `Run.weighted_sample`.
        path: path of the page.
        figures: folder for the figures, made if it is not there; none are written if not given.
        outgroup: taxon at whose branch to root the drawings; the midpoint if not given.
        neighbours: weigh what lies outside the support, which takes seconds.
        diagnosis: made before, in place of another.

    Returns:
        The files, the page first.

    Raises:
        InputError: no taxon has the outgroup's name, or a file cannot be written.
    """
    content = gather(run, sample, outgroup=outgroup, neighbours=neighbours, diagnosis=diagnosis)
    drawn = figures_of(content)
    page = html_page(content, drawn)
    written = [Path(path)]
    with atomic_write(path) as file:
        file.write(page)
    if figures is None:
        return written
    folder = Path(figures)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    for name, drawing in drawn.items():
        if not name.endswith("_narrow"):
            written.append(folder / f"{name}.svg")
            with atomic_write(written[-1]) as file:
                file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n{drawing.svg()}\n')
    return written
