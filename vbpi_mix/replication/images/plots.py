"""Figures 1, 4, 5, 6, 13 and 14 of the paper: likelihood, time and parameters against A and S; generated images."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vbpi_mix.damage import reading
from vbpi_mix.errors import InputError
from vbpi_mix.replication.images.results import ImageGroup
from vbpi_mix.replication.plot_style import INK, QUIET, cycle, plain, write_figures

_GRID = 8  # generated images per side of the picture
_BETWEEN = 128  # grey

Line = tuple[str, list[ImageGroup]]


def write_pictures(groups: Sequence[ImageGroup], folder: Path, generated: Path) -> list[Path]:
    """Draw the figures that there are records for, those of each set of images apart.

    Arguments:
        groups: records.
        folder: folder of the pictures.
        generated: folder with `NAME.npy`, generated images by the model's name, and `DATA_test.npy`, real ones.
    """
    figures: dict[str, Figure] = {}
    for data in dict.fromkeys(group.data for group in groups):
        chosen = [group for group in groups if group.data == data]
        title = f"{data}, {next(iter(chosen[0].records.values()))['result']['title']}"
        for name, figure in _figures(chosen, title).items():
            figures[f"{name}_{data}.png"] = figure
        pictures = generated_figure(chosen, generated, title)
        if pictures is not None:
            figures[f"figure_14_{data}.png"] = pictures
    return write_figures(figures, folder)


def _figures(groups: Sequence[ImageGroup], title: str) -> dict[str, Figure]:
    misvae = [group for group in groups if group.row.model == "misvae"]
    one = [
        (f"{label}", line) for label, line in _lines(misvae) if line[0].row.n_sampled == 1 and label.startswith("S2A")
    ]
    figures = {}
    if one:
        figures["figure_01"] = panels(one, f"S2A with S = 1: {title}")
    if groups[0].data == "cifar10":
        figures["figure_06"] = panels(_lines(misvae), title, bits=True)
        return figures
    figures["figure_04"] = panels(_lines(misvae), title)
    separate = [group for group in groups if group.row.model == "semvae"]
    if separate:
        figures["figure_05"] = panels([*_lines(misvae), *_lines(separate)], f"SEMVAE beside MISVAE: {title}")
    s2s = [group for group in misvae if group.row.estimator in ("s2s", "a2a")]
    if any(group.row.estimator == "s2s" for group in s2s):
        figures["figure_13"] = s2s_figure(s2s, title)
    return figures


def _lines(groups: Sequence[ImageGroup]) -> list[Line]:
    """Rows that differ in A alone, each line with the one-component model of its decoder as its first point."""
    lines: dict[tuple, list[ImageGroup]] = {}
    for group in groups:
        if group.row.n_components > 1:
            key = (group.row.decoder, group.row.model, group.row.estimator, group.row.n_sampled)
            if group.row.estimator == "a2a":
                key = (*key[:3], 0)
            lines.setdefault(key, []).append(group)
    result = []
    for (decoder, model, estimator, n_sampled), members in lines.items():
        single = [g for g in groups if g.row.n_components == 1 and (g.row.decoder, g.row.model) == (decoder, model)]
        label = estimator.upper() + (f" S={n_sampled}" if n_sampled else "")
        label += {"misvae": "", "semvae": " SEMVAE"}[model] + {"valid": "", "published": ", published decoder"}[decoder]
        result.append((label, sorted([*single, *members], key=lambda g: g.row.n_components)))
    return result


def panels(lines: Sequence[Line], title: str, *, bits: bool = False) -> Figure:
    """Likelihood, seconds per epoch and parameters against A, a line for each way of training."""
    figure = Figure(figsize=(12.5, 5.0))
    FigureCanvasAgg(figure)
    nats, seconds, sizes = (figure.add_axes((0.06 + 0.325 * i, 0.22, 0.265, 0.64)) for i in range(3))

    def value(group: ImageGroup) -> float:
        return group.bits(group.nll()) if bits else group.nll()

    for (label, groups), look, aside in zip(lines, cycle(len(lines)), _dodges(len(lines)), strict=True):
        x = np.array([group.row.n_components for group in groups])
        _with_errors(nats, x * aside, groups, value, label, look)
        style = _style(look)
        seconds.plot(x, [group.mean("seconds_per_epoch") for group in groups], **style)
        sizes.plot(x, [group.mean("n_parameters") for group in groups], **style)
    for axes, name in (
        (nats, "bits per dimension, pooled" if bits else "NLL pooled, nats per image"),
        (seconds, "seconds per epoch"),
        (sizes, "parameters"),
    ):
        _counts(axes, {group.row.n_components for _, groups in lines for group in groups})
        axes.set_xlabel("components A", color=INK)
        axes.set_ylabel(name, color=INK)
        plain(axes)
    for axes in (seconds, sizes):
        axes.set_ylim(bottom=0)
    figure.legend(
        *nats.get_legend_handles_labels(), loc="lower left", bbox_to_anchor=(0.05, 0.02), ncols=5, fontsize=8.5,
        frameon=False, labelcolor=INK, handlelength=3,
    )  # fmt: skip
    _title(figure, title, "valid likelihoods; bars: standard deviation over seeds")
    return figure


def s2s_figure(groups: Sequence[ImageGroup], title: str) -> Figure:
    """S2S: against S at each A, and against A at each S; a half without two points on any line is left out."""
    halves = []
    for along, fixed, letter in (("n_sampled", "n_components", "A"), ("n_components", "n_sampled", "S")):
        keys = dict.fromkeys((g.row.decoder, getattr(g.row, fixed)) for g in groups)
        lines = []
        for decoder, at in keys:
            members = [g for g in groups if (g.row.decoder, getattr(g.row, fixed)) == (decoder, at)]
            if len(members) > 1:
                members.sort(key=lambda g: getattr(g.row, along))
                lines.append((f"{letter} = {at}, {decoder} decoder", members))
        if lines:
            halves.append((along, lines))
    figure = Figure(figsize=(max(4.9 * len(halves), 7.5), 4.6))
    FigureCanvasAgg(figure)
    for i, (along, lines) in enumerate(halves):
        axes = figure.add_axes(((0.13 + i) / len(halves), 0.13, 0.80 / len(halves), 0.72))
        for (label, members), look, aside in zip(lines, cycle(len(lines)), _dodges(len(lines)), strict=True):
            x = np.array([getattr(g.row, along) for g in members])
            _with_errors(axes, x * aside, members, ImageGroup.nll, label, look)
        _counts(axes, {getattr(g.row, along) for _, members in lines for g in members})
        axes.set_xlabel("components drawn S" if along == "n_sampled" else "components A", color=INK)
        axes.set_ylabel("NLL pooled, nats per image", color=INK)
        axes.legend(fontsize=7.5, frameon=False, labelcolor=INK, handlelength=3)
        plain(axes)
    _title(figure, f"S2S: {title}", "valid likelihoods; bars: standard deviation over seeds; S = A is A2A")
    return figure


def _with_errors(
    axes: Axes, x: np.ndarray, groups: list[ImageGroup], value: Callable[[ImageGroup], float], label: str, look: tuple
) -> None:
    errors = [_seed_sd(group, value) for group in groups]
    axes.errorbar(x, [value(group) for group in groups], yerr=errors, capsize=2, label=label, **_style(look))


def _style(look: tuple) -> dict[str, Any]:
    colour, line, marker = look
    return {"color": colour, "linestyle": line, "marker": marker, "markersize": 5, "linewidth": 1.5}


def _dodges(n: int) -> np.ndarray:
    """(n,) factors that keep the error bars of n lines from lying on each other, on a logarithmic axis."""
    return 1.04 ** (np.arange(n) - 0.5 * (n - 1))


def _counts(axes: Axes, counts: Collection[int]) -> None:
    """A logarithmic axis with a tick at each of the counts."""
    axes.set_xscale("log")
    axes.set_xticks(sorted(counts), [str(count) for count in sorted(counts)])
    axes.minorticks_off()


def generated_figure(groups: Sequence[ImageGroup], generated: Path, title: str) -> Figure | None:
    """A square of test images, and one from each model's first seed; None where no model's images are kept."""
    shown = []
    for group in groups:
        seed = min(group.records)
        path = generated / f"{group.data}_{group.row.word.replace(':', '_')}_seed{seed}.npy"
        if path.is_file():
            shown.append((f"{group.row.label}\n{group.row.decoder} decoder, seed {seed}", _square(path)))
    if not shown:
        return None
    real = generated / f"{groups[0].data}_test.npy"
    if real.is_file():
        shown.insert(0, ("Test images\nas the models are given them", _square(real)))
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    height = 3.3 * rows + 0.7
    figure = Figure(figsize=(3 * columns, height))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=1 - 0.95 / height, wspace=0.04, hspace=0.14)
    for i, (name, picture) in enumerate(shown):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(name, fontsize=7.5, color=INK)
    _title(figure, f"Generated: {title}", "")
    return figure


def _square(path: Path) -> np.ndarray:
    """The first 64 images (n, C, H, W) in eight rows, a grey pixel between them, or with colours behind."""
    with reading(path, InputError, "it does not hold generated images: delete it"):
        images = np.load(path, allow_pickle=False)
        n, channels, height, width = images.shape
    grid = np.full((_GRID * _GRID, channels, height + 1, width + 1), _BETWEEN, dtype=np.uint8)
    grid[: min(n, len(grid)), :, :height, :width] = images[: len(grid)]
    picture = grid.reshape(_GRID, _GRID, channels, height + 1, width + 1).transpose(0, 3, 1, 4, 2)
    picture = picture.reshape(_GRID * (height + 1), _GRID * (width + 1), channels)[:-1, :-1]
    return picture[..., 0] if channels == 1 else picture


def _seed_sd(group: ImageGroup, value: Callable[[ImageGroup], float]) -> float:
    parts = [value(ImageGroup(data=group.data, row=group.row, records={s: r})) for s, r in group.records.items()]
    return float(np.std(parts, ddof=1)) if len(parts) > 1 else 0.0


def _title(figure: Figure, title: str, small: str) -> None:
    height = figure.get_figheight()
    figure.text(0.012, 1 - 0.07 / height, title, va="top", fontsize=11, fontweight="bold", color=INK)
    figure.text(0.012, 1 - 0.32 / height, small, va="top", fontsize=8.5, color=QUIET)
