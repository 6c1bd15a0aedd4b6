"""The tables of the image benchmark: a CSV line per model, Markdown with Tables 1, 2 and 4 beside published values."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from vbpi_mix.replication.images.results import (
    SOURCE,
    ImageGroup,
    paired_difference,
    published_cifar_bpd,
    published_fid,
    published_mnist_nll,
    published_rows,
)

_NOTES = """\
NLL in nats per image, the mean over test images; ± is its standard error (images, and seeds where there are several).
**pooled** is -log of the mean of all weights, consistent in the number of draws; **published form** has the logarithm
inside the average over components. Both are from the same draws, of equal number in total for mixtures of every size.
The `published` decoder has batch normalisation: its **valid** columns are in evaluation mode, its **batch statistics**
column is how the paper's figures were computed and is not a likelihood: each pixel's conditional then sees later pixels
and other images. The `valid` decoder has no such normalisation. No epoch is chosen by a validation set."""


def csv_text(groups: Sequence[ImageGroup]) -> str:
    """One line per trained model."""
    lines: list[dict[str, Any]] = []
    for group in groups:
        for seed, record in group.records.items():
            result, config = record["result"], record["config"]
            valid, batch = result["likelihood"], result.get("batch_statistics", {})
            lines.append(
                {
                    "data": group.data,
                    **{key: config[key] for key in ("model", "decoder", "estimator")},
                    "S": config["n_sampled"],
                    "A": config["n_components"],
                    "seed": seed,
                    "epochs": config["epochs"],
                    "draws_per_component": valid["n_per_component"],
                    "nll_pooled": f"{-valid['pooled']:.4f}",
                    "nll_pooled_se": f"{valid['pooled_se']:.4f}",
                    "nll_published_form": f"{-valid['published']:.4f}",
                    "nll_published_form_se": f"{valid['published_se']:.4f}",
                    "negative_elbo": f"{-valid['elbo']:.4f}",
                    "nll_batch_statistics": f"{-batch['published']:.4f}" if batch else "",
                    "bits_per_dimension": f"{group.bits(-valid['pooled']):.5f}",
                    "frechet_pca": f"{result['frechet_pca']:.4f}",
                    "parameters": result["n_parameters"],
                    "seconds_per_epoch": f"{result['seconds_per_epoch']:.3f}",
                }
            )
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def markdown(groups: Sequence[ImageGroup]) -> str:
    """All tables, by set of images."""
    text = []
    for data in dict.fromkeys(group.data for group in groups):
        chosen = [group for group in groups if group.data == data]
        first = next(iter(chosen[0].records.values()))
        config, made = first["config"], first["provenance"]
        text += [
            f"# {data}, {first['result']['title']}",
            "",
            f"{config['n_test']:,} test images, {config['n_draws']} draws each. Commit {str(made['commit'])[:7]}, "
            f"{made['processor']}, torch {made['packages'].get('torch')}, {first['result']['threads']} thread(s).",
            "",
            *_NOTES.splitlines(),
            "",
            *_likelihood_table(chosen, data),
            "",
            *_frechet_table(chosen),
            *_comparisons(chosen),
        ]
    return "\n".join(text).rstrip() + "\n"


def _likelihood_table(groups: Sequence[ImageGroup], data: str) -> list[str]:
    number, unit, published = (
        ("4", "bpd", published_cifar_bpd) if data == "cifar10" else ("1", "NLL", published_mnist_nll)
    )
    head = ("model", "decoder", "seeds", "NLL pooled, valid", "NLL published form, valid", "NLL batch statistics")
    more = ("bits per dimension", "parameters", "s per epoch")
    beside = (f"published {unit} (Table {number})",) if data != "fashion-mnist" else ()
    lines = [_row(*head, *more, *beside), _row(*["---"] * (len(head) + len(more) + len(beside)))]
    for group in groups:
        value = published(group.row)
        lines.append(
            _row(
                group.row.label,
                group.row.decoder,
                str(len(group.records)),
                f"**{group.nll():.2f}** ± {group.error():.2f}",
                f"{-group.mean('published'):.2f}",
                f"{-group.mean('published', 'batch_statistics'):.2f}" if group.has("batch_statistics") else "",
                f"{group.bits(group.nll()):.4f}",
                f"{group.mean('n_parameters'):,.0f}",
                f"{group.mean('seconds_per_epoch'):.2f}",
                *(("" if value is None else f"{value:g}",) if beside else ()),
            )
        )
    if beside:
        table = "table4_cifar10" if data == "cifar10" else "table1_mnist"
        others = [f"{line['model']} {line['nll' if 'nll' in line else 'bpd']}" for line in published_rows(table)]
        lines += ["", f"Published ({SOURCE}, Table {number}): " + "; ".join(others) + "."]
        if groups[0].side() != (32 if data == "cifar10" else 28):
            lines[-1] += " They are of whole images: no number above can be compared with them."
    return lines


def _frechet_table(groups: Sequence[ImageGroup]) -> list[str]:
    lines = [
        "Frechet distance of generated images to training images **in 32 principal components** of the training "
        "images, each scaled to variance 1. It is no FID (no Inception network is used) and must not be compared with "
        "one; the paper's Table 2 has FIDs.",
        "",
        _row("model", "decoder", "Frechet distance, principal components", "published FID (Table 2)"),
        _row(*["---"] * 4),
    ]
    for group in groups:
        fid = published_fid(group.row) if group.data == "mnist" else None
        distance = f"{group.mean('frechet_pca'):.2f}"
        lines.append(_row(group.row.label, group.row.decoder, distance, "" if fid is None else f"{fid:g}"))
    return [*lines, ""]


def _comparisons(groups: Sequence[ImageGroup]) -> list[str]:
    """Differences of the pooled NLL that the paper's claims are about, paired by image and seed."""
    lines = []
    for a, b, question in _pairs(groups):
        difference, error, n_seeds = paired_difference(a, b)
        if n_seeds:
            lines.append(
                _row(
                    question, a.row.decoder, a.row.label, b.row.label, f"{difference:+.2f} ± {error:.2f}", str(n_seeds)
                )
            )
    if not lines:
        return []
    head = _row("question", "decoder", "first", "second", "NLL, first - second", "seeds")
    return [
        "Differences of the pooled NLL, image by image (negative: the first is better):",
        "",
        head,
        _row(*["---"] * 6),
        *lines,
        "",
    ]


def _pairs(groups: Sequence[ImageGroup]) -> list[tuple[ImageGroup, ImageGroup, str]]:
    pairs = []
    for a in groups:
        for b in groups:
            x, y = a.row, b.row
            if (x.decoder, x.model) != (y.decoder, y.model):
                continue
            one = y.n_components == 1 and x.n_components > 1
            if one and x.estimator == "s2a" and x.n_sampled == 1:
                pairs.append((a, b, "does NLL fall with A at S = 1?"))
            if x.n_components != y.n_components or x.n_components == 1:
                continue
            if x.estimator == y.estimator == "s2a" and x.n_sampled > y.n_sampled == 1:
                pairs.append((a, b, "does S matter for S2A?"))
            if (x.estimator, y.estimator) == ("s2s", "s2a") and x.n_sampled == y.n_sampled:
                pairs.append((a, b, "does S2S trail S2A?"))
    return pairs


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
