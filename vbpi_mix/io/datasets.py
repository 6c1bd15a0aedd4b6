"""The data catalogue: alignments that come with the package, and larger files fetched by checksum."""

import difflib
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import pooch

from vbpi_mix.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

MIRROR_VARIABLE = "VBPI_MIX_DATA_MIRROR"
CACHE_VARIABLE = "VBPI_MIX_CACHE"
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One entry of `data/catalog.toml`.

    Arguments:
        name: name that the user knows.
        kind: "alignment" for files of the data folder, "download" for files that are fetched.
        file: path in the data folder, or on the mirror.
        title: a few words on the picture.
        size: bytes.
        sha256: checksum of the file.
        source: origin of the file.
        licence: licence at the source.
        dimensions: taxa, sites and patterns of an alignment.
        references: published or computed values: quantity, value, perhaps sd, method, source.
        url: address of the file, used when no mirror is named; None: from a mirror only.
        group: the set of files that it belongs to, which can be fetched by one name.
    """

    name: str
    kind: Literal["alignment", "download"]
    file: str
    title: str
    size: int
    sha256: str
    source: str
    licence: str
    dimensions: Mapping[str, int] = field(default_factory=dict)
    references: tuple[Mapping[str, Any], ...] = ()
    url: str | None = None
    group: str | None = None


def data_folder() -> Path:
    """The folder of `catalog.toml`: inside an installed package, beside the package in a source checkout.

    Raises:
        InputError: it is in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "data", package.parent / "data"):
        if (folder / "catalog.toml").is_file():
            return folder
    raise InputError(
        f"the data folder is missing: neither {package / 'data'} nor {package.parent / 'data'} has catalog.toml"
    )


def catalogue() -> dict[str, Dataset]:
    """All data sets by name, in the order of the file."""
    with (data_folder() / "catalog.toml").open("rb") as file:
        content = tomllib.load(file)
    entries = {}
    for kind in ("alignment", "download"):
        for entry in content[kind]:
            entries[entry["name"]] = Dataset(
                name=entry["name"],
                kind=kind,
                file=entry["file"],
                title=entry["title"],
                size=entry["bytes"],
                sha256=entry["sha256"],
                source=entry["source"],
                licence=entry["licence"],
                dimensions={key: entry[key] for key in ("taxa", "sites", "patterns") if key in entry},
                references=tuple(entry.get("reference", ())),
                url=entry.get("url"),
                group=entry.get("group"),
            )
    return entries


def find(name: str) -> Dataset:
    """The data set of that name.

    Raises:
        InputError: there is none; names the nearest ones.
    """
    entries = catalogue()
    if name in entries:
        return entries[name]
    by_lower = {key.lower(): key for key in entries}
    lower = name.lower()
    near = [by_lower[key] for key in ([lower] if lower in by_lower else difflib.get_close_matches(lower, by_lower))]
    hint = f"did you mean {' or '.join(near)}?" if near else "`vbpi-mix data list` shows the names"
    raise InputError(f"no data set is named {name!r}; {hint}")


def members(name: str) -> list[Dataset]:
    """The data sets of a group (mnist, fashion-mnist, cifar10), or the one of that name.

    Raises:
        InputError: there is none; names the nearest ones.
    """
    return [entry for entry in catalogue().values() if entry.group == name] or [find(name)]


def cache_folder() -> Path:
    """Folder of fetched files: the user's cache, or the value of the environment variable VBPI_MIX_CACHE."""
    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("vbpi_mix")).expanduser()


def local_path(entry: Dataset) -> Path:
    """Path of a data set once it is on this machine."""
    if entry.kind == "alignment":
        return data_folder() / entry.file
    return cache_folder() / Path(entry.file).name


def where(name: str) -> Path:
    """The path of a data set that is on this machine.

    Raises:
        InputError: unknown name, or a file that was not fetched yet.
    """
    entry = find(name)
    path = local_path(entry)
    if not path.is_file():
        raise InputError(f"{name} is not on this machine; fetch it with `vbpi-mix data fetch {name}`")
    return path


def fetch(name: str) -> Path:
    """The path of a data set, fetched into the cache if it is not there or not what its checksum says.

    The mirror is the folder or URL in the environment variable VBPI_MIX_DATA_MIRROR; without one, files that have a
    public address are fetched from there. A file appears in the cache only when it is whole and its checksum agrees.

    Raises:
        InputError: unknown name, no mirror, or a mirror that cannot be reached, lacks the file or holds another one.
    """
    entry = find(name)
    if entry.kind == "alignment":
        return where(name)
    path = local_path(entry)
    if path.is_file() and pooch.file_hash(str(path), alg="sha256") == entry.sha256:
        return path
    mirror = os.environ.get(MIRROR_VARIABLE, "").strip().rstrip("/")
    if not mirror and entry.url is None:
        raise InputError(
            f"{name} cannot be fetched: this project has no public data server yet; set {MIRROR_VARIABLE} to the URL "
            "or folder of a copy of the reference data"
        )
    _retrieve(entry, f"{mirror}/{entry.file}" if mirror else str(entry.url), path)
    return path


def resolve(name_or_path: str | Path) -> Path:
    """A path that exists as it is, otherwise the path of the data set of that name.

    Raises:
        InputError: neither; names the nearest data sets.
    """
    path = Path(name_or_path)
    if path.exists():
        return path
    try:
        return where(str(name_or_path))
    except InputError as error:
        raise InputError(f"there is no file {name_or_path}, and {error}") from None


def _retrieve(entry: Dataset, url: str, path: Path) -> None:
    remote = url.startswith(("http://", "https://"))
    downloader: Any = pooch.HTTPDownloader(timeout=_TIMEOUT_SECONDS) if remote else _copy
    pooch.get_logger().setLevel(logging.WARNING)  # its notices of every download would mix with the command's output
    try:
        pooch.retrieve(
            url, known_hash=f"sha256:{entry.sha256}", fname=path.name, path=path.parent, downloader=downloader
        )
    except ValueError as error:  # what pooch raises for a wrong checksum
        raise InputError(f"{entry.name}: {url} is not the expected file (SHA-256 differs); nothing was kept") from error
    except OSError as error:  # what pooch's HTTP client raises is an OSError too, with the answer if there was one
        answer = getattr(error, "response", None)
        if answer is not None or isinstance(error, FileNotFoundError):
            status = "" if answer is None else f" (status {answer.status_code})"
            raise InputError(f"{entry.name}: the mirror has no {url}{status}") from error
        if not remote or not hasattr(error, "request"):
            raise InputError(f"{entry.name}: {path} cannot be written: {error.strerror or error}") from error
        raise InputError(
            f"{entry.name}: {url} cannot be reached ({type(error).__name__}); is this machine offline? "
            f"{MIRROR_VARIABLE} can name another URL or a local folder"
        ) from error


def _copy(url: str, output_file: Any, _: pooch.Pooch | None) -> None:
    """A pooch downloader for mirrors that are folders."""
    shutil.copyfile(Path(url).expanduser(), cast(str, output_file))
