"""One JSON file per trained model: what makes a benchmark resumable, and its figures traceable."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vbpi_mix.damage import reading
from vbpi_mix.errors import InputError
from vbpi_mix.io.files import atomic_write
from vbpi_mix.provenance import describe


def make_folder(path: Path) -> Path:
    """Create a folder for results, with those above it.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}; give another with -o") from error
    return path


def write_record(path: Path, config: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Write a result with its settings, machine, versions and commit, whole or not at all.

    Arguments:
        path: the file.
        config: everything that the result depends on, the seed included; values that JSON holds exactly.
        result: result that was found.

    Returns:
        The record as `read_record` gives it back.
    """
    record = {"config": dict(config), "result": dict(result), "provenance": describe()}
    with atomic_write(path) as file:
        json.dump(record, file, indent=1, allow_nan=False)
        file.write("\n")
    return record


def read_record(
    path: Path, config: Mapping[str, Any], *, otherwise: Callable[[str], Any] = lambda _: None
) -> dict[str, Any] | None:
    """The record of a file, or None where there is no such file.

    Arguments:
        path: the file.
        config: the settings that it must have been made with.
        otherwise: the value, by name, of a setting that did not exist when the record was made.

    Raises:
        InputError: the file is not a record, or was made with other settings.
    """
    if not path.is_file():
        return None
    with reading(path, InputError, "no record of a benchmark; delete it to make it anew"):
        record = json.loads(path.read_text(encoding="utf-8"))
        found = dict(record["config"])
        _ = record["result"], record["provenance"]
    for key in dict.fromkeys((*config, *found)):  # in the order of the settings, derived ones later
        then, now = (values[key] if key in values else otherwise(key) for values in (found, config))
        if then != now:
            raise InputError(
                f"{path} was made with {key} = {then}, now it is {now}: give another folder with -o, or delete the file"
            )
    return record
