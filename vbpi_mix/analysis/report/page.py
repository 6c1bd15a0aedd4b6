"""The report as one HTML page that fetches nothing: style and figures stand inside."""

from collections.abc import Mapping
from html import escape
from importlib.resources import files

import numpy as np

from vbpi_mix._version import __version__
from vbpi_mix.analysis.report import prose
from vbpi_mix.analysis.report.certainty_section import certainty_section
from vbpi_mix.analysis.report.content import ReportContent, small_side
from vbpi_mix.analysis.report.markup import both_widths, facts, figure, table, text
from vbpi_mix.analysis.report.parameter_section import parameters_section
from vbpi_mix.analysis.verdict import verdict
from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic, worst
from vbpi_mix.posterior.drawing.chart_svg import probability_bar
from vbpi_mix.posterior.drawing.svg import Drawing, clean
from vbpi_mix.posterior.questions.credible import counted

_RAREST_SPLIT = 0.05
_FEWEST_FOR_CLOUD = 3  # effective draws for each tree of the cloud, below which repetitions are worth a word
_MOST_SPLITS = 120
_CERTAIN = 0.995
_MOST_TOPOLOGIES = 10
_RAREST_TOPOLOGY = 0.001
_NAMES_SHOWN = 12
_SIGNS = {"good": "✓ good", "fair": "◐ fair", "poor": "✗ poor", "info": "note"}
_OVERALL = {
    "good": "✓ every diagnostic is good",
    "fair": "◐ usable, see the diagnostics",
    "poor": "✗ not to be relied on, see the diagnostics",
    "info": "no diagnostics",
}
_SECTIONS = {
    "tree": "Consensus tree",
    "certainty": "How sure the tree is",
    "cloud": "Posterior trees",
    "splits": "Splits",
    "topologies": "Topologies",
    "lengths": "Branch lengths",
    "parameters": "Substitution model",
    "checks": "Diagnostics",
    "model": "Model and priors",
    "reproduce": "How it was made",
    "cite": "Citation",
}


def html_page(content: ReportContent, figures: Mapping[str, Drawing]) -> str:
    """The page.

    Arguments:
        content: content of the page.
        figures: drawings by name, see `write.figures_of`.
    """
    title = f"Bayesian phylogeny of {content.name}"
    inferred = content.parameters.n_model_parameters > 0
    style = files("vbpi_mix.analysis.report").joinpath("style.css").read_text(encoding="utf-8")
    sections = [
        _summary(content),
        _section("tree", _tree(content, figures)),
        _section("certainty", certainty_section(content, figures)),
        _section("cloud", _cloud(content, figures)),
        _section("splits", _splits(content)),
        _section("topologies", _topologies(content)),
        _section("lengths", _lengths(figures)),
        *([_section("parameters", parameters_section(content, figures))] if inferred else []),
        _section("checks", _checks(content, figures)),
        _section("model", _model(content)),
        _section("reproduce", _reproduce(content)),
        _section("cite", _cite()),
    ]
    shown = [(key, name) for key, name in _SECTIONS.items() if key != "parameters" or inferred]
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name in shown)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="vbpi-mix {__version__}">
<link rel="icon" href="data:,">
<title>{text(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header class="top">
<h1>{text(title)}</h1>
<div class="quiet">{text(_when(content))}</div>
</header>
<nav aria-label="Sections">{links}</nav>
{"".join(sections)}<footer>Written by vbpi-mix {__version__}. The page holds all it shows and fetches nothing.</footer>
</main>
</body>
</html>
"""


def _section(key: str, body: str) -> str:
    heading = f'<h2 id="{key}-title">{_SECTIONS[key]}</h2>'
    return f'<section id="{key}" aria-labelledby="{key}-title">\n{heading}\n{body}</section>\n'


def _when(content: ReportContent) -> str:
    patterns = content.run.inputs.patterns
    made = str(content.provenance.get("time", ""))[:10]
    parts = [f"{patterns.n_taxa} taxa", f"{content.run.problem.model.n_sites:,.0f} sites", prose.model_label(content)]
    return ", ".join(parts) + (f"; fitted on {made}" if made else "")


def _summary(content: ReportContent) -> str:
    evaluation, credible = content.diagnosis.evaluation, content.certainty.credible
    tiles = [
        (prose.evidence(content), "marginal log-likelihood"),
        (
            counted(credible),
            f"{'topology holds' if credible.n_topologies == 1 else 'topologies hold'} 95% of the posterior",
        ),
    ]
    annealing = evaluation.annealing
    if annealing is None:
        tiles += [
            (f"{evaluation.ess:,.0f}", f"effective sample size of {evaluation.n_samples:,} draws"),
            (f"{evaluation.tail.k:.2f}", f"Pareto k: {evaluation.tail.verdict}"),
        ]
    else:
        sides = "two sides" if annealing.both_sides else f"{annealing.n_groups} groups"
        tiles += [
            (f"{annealing.effective_size:,.0f}", f"effective sample size of {annealing.n_trees:,} trees"),
            (f"{annealing.convergence.asdsf:.4f}", f"ASDSF between {sides}"),
        ]
    level = worst(content.diagnosis.diagnostics)
    listed = "".join(f'<li><b>{text(value)}</b><span class="quiet">{text(what)}</span></li>' for value, what in tiles)
    paragraphs = "".join(f"<p>{text(paragraph)}</p>\n" for paragraph in prose.summary(content))
    return (
        f'<section aria-label="Summary">\n<p><span class="verdict {level}">{_OVERALL[level]}</span></p>\n{paragraphs}'
        f'<ul class="tiles">{listed}</ul>\n</section>\n'
    )


def _tree(content: ReportContent, figures: Mapping[str, Drawing]) -> str:
    place = content.outgroup or "its midpoint, half-way between the two tips that lie farthest apart"
    caption = (
        "Majority-rule consensus with mean branch lengths. Dots show the posterior probability of each split: full "
        "from 0.95, light from 0.80, open below; numbers of 1.00 are left out. The analysis is of unrooted trees: for "
        f"display only, the drawing is rooted at {place}."
    )
    return figure(both_widths(figures, "tree"), caption)


def _cloud(content: ReportContent, figures: Mapping[str, Drawing]) -> str:
    caption = (
        f"{len(content.cloud.lines)} trees of the posterior drawn over each other, with tips in the order of the "
        "consensus tree and rooted at the same place. Where lines run together the trees agree; crossing lines are "
        "splits that contradict each other, blurred ends are uncertain branch lengths."
    )
    if content.diagnosis.evaluation.ess < _FEWEST_FOR_CLOUD * len(content.cloud.lines):
        caption += " The effective sample size is small, so some trees are there more than once."
    return figure(both_widths(figures, "cloud"), caption)


def _splits(content: ReportContent) -> str:
    splits = content.splits
    shown = [i for i in range(splits.n_splits) if splits.frequency[i] >= _RAREST_SPLIT][:_MOST_SPLITS]
    certain = [i for i in shown if splits.frequency[i] >= _CERTAIN]
    rarer = splits.n_splits - len(shown)
    note = (
        "Taxa on the smaller side of each split, its posterior probability with the standard error of the estimate "
        "(the whisker spans two of them to each side), and mean and standard deviation of its branch length in "
        f"expected substitutions per site. {rarer:,} rarer splits are in posterior/splits.tsv."
    )
    body = f'<p class="note">{text(note)}</p>\n'
    if len(shown) > len(certain):
        body += _split_table(content, shown[len(certain) :])
    else:
        body += "<p>No split is uncertain.</p>\n"
    if certain:
        summary = f"{len(certain)} splits with a probability of {_CERTAIN} or more"
        body += f"<details><summary>{summary}</summary>\n{_split_table(content, certain)}</details>\n"
    return body


def _split_table(content: ReportContent, shown: list[int]) -> str:
    splits, rows = content.splits, []
    for i in shown:
        p, e = float(splits.frequency[i]), float(splits.standard_error[i])
        side = small_side(splits, i)
        rest = len(side) - _NAMES_SHOWN
        names = ", ".join(side[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
        rival, mark = "", ""
        if p <= 0.5:
            rival, mark = ' class="rival"', '<span class="part">not in the consensus</span>'
        rows.append(
            f'<tr{rival}><td>{text(names)}{mark}</td><td class="number">{p:.3f} ± {e:.3f}'
            f'{probability_bar(p, e).svg()}</td><td class="number optional">{splits.mean_length[i]:.4f} ± '
            f"{splits.length_sd[i]:.4f}</td></tr>"
        )
    return table([("Split", ""), ("Probability", "number"), ("Branch length", "number optional")], rows)


def _topologies(content: ReportContent) -> str:
    ranked = content.topologies
    n = max(1, min(_MOST_TOPOLOGIES, int((ranked.probability >= _RAREST_TOPOLOGY).sum())))
    cumulative = np.cumsum(ranked.probability)
    first = {words.tobytes() for words in ranked.topologies[:1].clades()[0]}
    rows = []
    for i in range(n):
        p, e = float(ranked.probability[i]), float(ranked.standard_error[i])
        apart = sum(words.tobytes() not in first for words in ranked.topologies[i : i + 1].clades()[0])
        what = "the most probable" if i == 0 else f"{apart} split{'s' if apart > 1 else ''} other than the first"
        rows.append(
            f'<tr><td class="number">{i + 1}</td><td class="number">{p:.4f} ± {e:.4f}{probability_bar(p, e).svg()}</td>'
            f'<td class="number optional">{cumulative[i]:.3f}</td><td>{what}</td></tr>'
        )
    note = f"{n} of the {ranked.n_topologies:,} topologies drawn; posterior/topologies.tsv has them as Newick."
    columns = [("Rank", "number"), ("Probability", "number"), ("Cumulative", "number optional"), ("Differs by", "")]
    return f'<p class="note">{text(note)}</p>\n{table(columns, rows)}'


def _lengths(figures: Mapping[str, Drawing]) -> str:
    caption = (
        "Mean length and 95% highest-density interval of the branches of the consensus tree: tips (dots) and inner "
        "branches (squares), each over the trees that have it. Inner ones have the name of one taxon on their smaller "
        "side and how many more there are."
    )
    drawings = "\n".join(figures[name].svg() for name in ("lengths_tips", "lengths_inner") if name in figures)
    return figure(f'<div class="columns">\n{drawings}\n</div>', caption, "chart")


def _checks(content: ReportContent, figures: Mapping[str, Drawing]) -> str:
    rows = "".join(_check(d) for d in content.diagnosis.diagnostics)
    body = f'<p>{text(verdict(content.diagnosis.diagnostics))}</p>\n<dl class="checks">\n{rows}</dl>\n'
    if "training" in figures:
        caption = (
            "Training: the bound that was maximised, averaged over 100 iterations a point, and the marginal "
            "log-likelihood that it approaches from below."
        )
        body += figure(figures["training"].svg(), caption, "chart")
    return body


def _check(d: Diagnostic) -> str:
    return (
        f'<div><dt>{text(d.label)}<br><span class="verdict {d.level}">{_SIGNS[d.level]}</span></dt>'
        f"<dd>{text(_sentence(d.verdict))}<br>{text(d.text)}"
        f"<details><summary>What this is</summary>{text(_sentence(d.definition))}</details></dd></div>\n"
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _model(content: ReportContent) -> str:
    config, support = content.run.config, content.run.inputs.support
    flow = "" if config.flow == "identity" else f", changed by a {config.flow} flow"
    rows = [
        *prose.models(content),
        ("Prior of lengths", prose.length_prior(content.run.problem.model)),
        *prose.parameter_priors(content.run.problem.model),
        ("Prior of topologies", prose.topology_prior(content)),
        ("Data", "ambiguity codes are sets of bases; gaps, ? and N are missing data"),
        (
            "Approximation",
            f"mixture of {config.components} subsplit Bayesian networks over {support.n_rootsplits:,} splits and "
            f"{support.n_pcsps:,} parent-child subsplit pairs; log-normal branch lengths on "
            f"{'PSP' if config.features == 'psp' else config.features} features{flow}",
        ),
        (
            "Training",
            f"{config.estimator.upper()} with {config.sampled} of {config.components} components and "
            f"{config.particles} particles each; {content.run.iteration:,} iterations in {content.run.seconds:,.0f} s; "
            f"recipe {config.recipe}, seed {config.seed}",
        ),
    ]
    if content.run.learned is not None:
        rows.append(("Component weights", content.run.learned.describe()))
    return facts(rows)


def _reproduce(content: ReportContent) -> str:
    made = content.provenance
    packages = made.get("packages", {})
    rows = [
        ("Fitted", str(made.get("time", "unknown"))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in packages.items()) or "unknown"),
        ("Source commit", str(made.get("commit") or "an installed release")),
        ("Python, machine", f"{made.get('python', 'unknown')}; {made.get('system', '')}; {made.get('processor', '')}"),
    ]
    note = "The same settings as a command; config.toml in the run's folder holds all of them."
    return f"<p>{note}</p>\n<pre>{escape(clean(content.command))}</pre>\n{facts(rows)}"


def _cite() -> str:
    listed = "".join(f"<li>{text(entry)}</li>\n" for entry in prose.CITATIONS)
    return f'<p>vbpi-mix, version {__version__}, and the methods it rests on:</p>\n<ol class="cite">\n{listed}</ol>\n'
