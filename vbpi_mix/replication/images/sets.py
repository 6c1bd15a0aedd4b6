"""MNIST, FashionMNIST and CIFAR-10 wherever they lie: fetched, installed by the system, or in the user's own files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from vbpi_mix.errors import InputError
from vbpi_mix.io import datasets
from vbpi_mix.replication.images.formats import (
    LabelledImages,
    read_cifar_archive,
    read_cifar_folder,
    read_csv_images,
    read_idx_pair,
)

ImageSet = Literal["mnist", "fashion-mnist", "cifar10"]

# where Debian's dataset-fashion-mnist puts its files
SYSTEM_FOLDERS = {"fashion-mnist": Path("/usr/share/datasets/fashion-mnist")}


def load_image_set(
    name: ImageSet, source: Path | None = None, *, system_folders: Mapping[str, Path] = SYSTEM_FOLDERS
) -> tuple[LabelledImages, LabelledImages | None]:
    """Training images, and test images where the source has them.

    Arguments:
        name: name of the set.
        source: a folder with the IDX files by their usual names (gzipped or not) or CIFAR-10's binary files; CIFAR-10's
            archive; or, for grey images, a CSV file of one set of images. If not given: what `vbpi-mix data fetch`
            fetched, then what the system has installed.
        system_folders: Folder of each set that the system may have installed.

    Raises:
        InputError: nothing there, or files that cannot be read.
    """
    if name not in get_args(ImageSet):
        raise InputError(f"no set of images is named {name!r}; there are {', '.join(get_args(ImageSet))}")
    if source is None:
        source = _found(name, system_folders)
    if not source.exists():
        raise InputError(f"there is no file or folder {source}")
    if name == "cifar10":
        return read_cifar_folder(source) if source.is_dir() else read_cifar_archive(source)
    if source.is_file():
        return read_csv_images(source), None
    return _idx_pair(source, "train", name), _idx_pair(source, "t10k", name)


def _found(name: ImageSet, system_folders: Mapping[str, Path]) -> Path:
    paths = [datasets.local_path(entry) for entry in datasets.members(name)]
    if all(path.is_file() for path in paths):
        return paths[0] if name == "cifar10" else paths[0].parent
    system = system_folders.get(name)
    if system is not None and system.is_dir():
        return system
    raise InputError(f"{name} is not on this machine: `vbpi-mix data fetch {name}`, or give its files with --data")


def _idx_pair(folder: Path, part: str, name: ImageSet) -> LabelledImages:
    return read_idx_pair(
        _idx_file(folder, f"{part}-images-idx3-ubyte", name), _idx_file(folder, f"{part}-labels-idx1-ubyte", name)
    )


def _idx_file(folder: Path, stem: str, name: ImageSet) -> Path:
    """The file under its usual name, or with the name of its set before it as in the cache of fetched files."""
    for path in (folder / f"{prefix}{stem}{suffix}" for prefix in ("", f"{name}-") for suffix in ("", ".gz")):
        if path.is_file():
            return path
    raise InputError(f"{folder} has no {stem} or {stem}.gz: give the folder of the four IDX files of {name}")
