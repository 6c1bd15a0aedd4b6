"""Inputs of a run, kept in one file of the run folder: patterns, taxa and support."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vbpi_mix.damage import reading
from vbpi_mix.errors import CheckpointError
from vbpi_mix.io.arrays import load_arrays, save_arrays
from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.nexus import quote_label
from vbpi_mix.phylo import DNA, Alignment, DataType, SitePatterns, data_type
from vbpi_mix.support import SubsplitSupport


@dataclass(frozen=True, kw_only=True)
class RunPart:
    """A part of the alignment with a model of its own.

    Arguments:
        name: name as the file of partitions calls it.
        model: model string.
        patterns: site patterns of the part.
    """

    name: str
    model: str
    patterns: SitePatterns


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """The data and the support of a run; with the configuration and a checkpoint they are the whole run.

    Arguments:
        taxa: (N,) names, in the order that topologies refer to.
        patterns: site patterns of the alignment.
        support: the topologies that can be sampled.
        parts: parts of a partitioned alignment.
    """

    taxa: tuple[str, ...]
    patterns: SitePatterns
    support: SubsplitSupport
    parts: tuple[RunPart, ...] = ()

    @cached_property
    def identity(self) -> dict[str, str]:
        """Hashes that a checkpoint must agree with."""
        data = hashlib.sha256(self.patterns.state_sets.tobytes() + self.patterns.weights.tobytes())
        for part in self.parts:
            data.update(f"{part.name}\0{part.model}\0".encode())
            data.update(part.patterns.state_sets.tobytes() + part.patterns.weights.tobytes())
        return {
            "taxa": hashlib.sha256("\0".join(self.taxa).encode()).hexdigest(),
            "data": data.hexdigest(),
            "support": self.support.content_hash,
        }

    def save(self, path: Path) -> None:
        arrays: dict[str, Any] = {
            "taxa": np.array([name.encode() for name in self.taxa]),
            "state_sets": self.patterns.state_sets,
            "pattern_weights": self.patterns.weights,
            "data_type": np.array([self.patterns.data_type.label.encode()]),
        }
        arrays |= {f"support_{name}": array for name, array in self.support.arrays().items()}
        if self.parts:
            arrays["part_names"] = np.array([part.name.encode() for part in self.parts])
            arrays["part_models"] = np.array([part.model.encode() for part in self.parts])
            arrays["part_types"] = np.array([part.patterns.data_type.label.encode() for part in self.parts])
        for i, part in enumerate(self.parts):
            arrays |= {f"part{i}_state_sets": part.patterns.state_sets, f"part{i}_weights": part.patterns.weights}
        save_arrays(path, arrays)


def load_inputs(path: Path) -> RunInputs:
    """Read what `RunInputs.save` wrote.

    Raises:
        CheckpointError: not there, or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: not found: the folder holds no run that got as far as its support")
    with reading(path, CheckpointError, "restore the file, or fit again into another folder"):
        arrays = load_arrays(path)
        support = {name[8:]: array for name, array in arrays.items() if name.startswith("support_")}
        taxa = tuple(name.decode() for name in arrays["taxa"].tolist())
        patterns = SitePatterns(
            state_sets=arrays["state_sets"],
            weights=arrays["pattern_weights"],
            data_type=_types(arrays, "data_type", 1)[0],
        )
        parts = _parts(arrays) if "part_names" in arrays else ()
        return RunInputs(taxa=taxa, patterns=patterns, support=SubsplitSupport.from_arrays(support), parts=parts)


def _parts(arrays: Any) -> tuple[RunPart, ...]:
    named = list(zip(arrays["part_names"].tolist(), arrays["part_models"].tolist(), strict=True))
    types = _types(arrays, "part_types", len(named))
    return tuple(
        RunPart(
            name=name.decode(),
            model=model.decode(),
            patterns=SitePatterns(
                state_sets=arrays[f"part{i}_state_sets"], weights=arrays[f"part{i}_weights"], data_type=types[i]
            ),
        )
        for i, (name, model) in enumerate(named)
    )


def _types(arrays: Any, key: str, n: int) -> list[DataType]:
    """The data types that a file names; files from before there were others have nucleotides."""
    if key not in arrays:
        return [DNA] * n
    return [data_type(label.decode()) for label in arrays[key].tolist()]


def write_equal_sequences(path: Path, alignment: Alignment) -> None:
    """Pairs of taxa with equal sequences, a line each, names as NEXUS writes them; no file where there are none."""
    pairs = alignment.duplicates()
    if not pairs:
        return
    with atomic_write(path) as file:
        file.write("taxon\tsame_as\n")
        file.writelines(f"{quote_label(later)}\t{quote_label(first)}\n" for first, later in pairs)
