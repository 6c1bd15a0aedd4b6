"""Tables and pictures of a benchmark's records."""

from pathlib import Path

from vbpi_mix.io.files import atomic_write
from vbpi_mix.replication.images.render import render_images
from vbpi_mix.replication.images.results import is_images_folder
from vbpi_mix.replication.records import make_folder
from vbpi_mix.replication.table3.columns import csv_text
from vbpi_mix.replication.table3.latex import latex
from vbpi_mix.replication.table3.markdown import markdown
from vbpi_mix.replication.table3.published import load_published
from vbpi_mix.replication.table3.results import load_results


def render(folder: Path, output: Path | None = None) -> list[Path]:
    """`render_images` or `render_table3`, whichever the records of a folder are for."""
    return render_images(folder, output) if is_images_folder(folder) else render_table3(folder, output)


def render_table3(folder: Path, output: Path | None = None) -> list[Path]:
    """Write `table3.md`, `table3.csv`, `table3.tex`, and pictures of each way of training as SVG and PNG.

    Arguments:
        folder: folder of the results, see `load_results`.
        output: folder to write to; the same folder if not given.

    Returns:
        The files, in the order of their making.

    Raises:
        InputError: no records there, records of something else, or files that cannot be written.
    """
    variants, published = load_results(folder), load_published()
    made = make_folder(folder if output is None else output)
    texts = {
        "table3.md": markdown(variants, published),
        "table3.csv": csv_text(variants, published),
        "table3.tex": latex(variants, published),
    }
    paths = []
    for name, text in texts.items():
        with atomic_write(made / name) as file:
            file.write(text)
        paths.append(made / name)
    from vbpi_mix.replication.table3.plots import write_pictures  # matplotlib, once something is to be drawn

    return [*paths, *write_pictures(variants, published, made)]
