"""MrBayes's names of parameters, `pi(A){2}`, as variables with coordinates: `pi_2` with the coordinate A of `state`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NAME = re.compile(r"([^(){}]+)(?:\(([^()]*)\))?(?:\{([^{}]*)\})?")
_AXES = {"r": "substitution", "pi": "state"}


@dataclass(frozen=True, kw_only=True)
class ParameterArray:
    """Parameters that belong together, such as four base frequencies; or one alone.

    Arguments:
        name: letters, digits and `_`; the number of the part of the alignment is at its end, if there are several.
        columns: columns of its parameters among all.
        axis: name of its dimension; None for one alone.
        labels: labels of the parameters along it; none for one alone.
    """

    name: str
    columns: tuple[int, ...]
    axis: str | None = None
    labels: tuple[str, ...] = ()


def parameter_arrays(names: Sequence[str]) -> list[ParameterArray]:
    """All parameters as arrays, in the order of the first of each; arrays with other labels have another axis."""
    columns: dict[tuple[str, str], list[int]] = {}
    labels: dict[tuple[str, str], list[str]] = {}
    for column, name in enumerate(names):
        match = _NAME.fullmatch(name)
        base, label, part = match.groups() if match else (name, None, None)
        key = (base, part or "")
        columns.setdefault(key, []).append(column)
        labels.setdefault(key, []).extend([] if label is None else [label])
    axes: dict[str, tuple[str, ...]] = {}
    found = []
    for (base, part), where in columns.items():
        name, along = _valid(f"{base}_{part}" if part else base), tuple(labels[base, part])
        axis = _AXES.get(base, f"{_valid(base)}_label")
        if axes.setdefault(axis, along) != along:
            axis = f"{axis}_{_valid(part)}"
        array = ParameterArray(name=name, columns=tuple(where))
        found.append(ParameterArray(name=name, columns=tuple(where), axis=axis, labels=along) if along else array)
    return found


def _valid(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")
