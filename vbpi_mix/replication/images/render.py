"""Tables and pictures of the records of image models."""

from pathlib import Path

from vbpi_mix.io.files import atomic_write
from vbpi_mix.replication.images.results import load_image_groups
from vbpi_mix.replication.images.run import GENERATED
from vbpi_mix.replication.images.tables import csv_text, markdown
from vbpi_mix.replication.records import make_folder


def render_images(folder: Path, output: Path | None = None) -> list[Path]:
    """Write `images.md`, `images.csv`, and Figures 1, 4, 5, 6, 13 and 14 as far as there are records for them.

    Arguments:
        folder: folder of the results, as `run_images` wrote it.
        output: folder to write to; the same folder if not given.

    Raises:
        InputError: no records there, records of something else, or files that cannot be written.
    """
    groups = load_image_groups(folder)
    made = make_folder(folder if output is None else output)
    paths = []
    for name, text in (("images.md", markdown(groups)), ("images.csv", csv_text(groups))):
        with atomic_write(made / name) as file:
            file.write(text)
        paths.append(made / name)
    from vbpi_mix.replication.images.plots import write_pictures  # matplotlib, once something is to be drawn

    return [*paths, *write_pictures(groups, made, folder / GENERATED)]
