"""Start of a fit as one value, and in a file that several fits can share."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vbpi_mix.damage import reading
from vbpi_mix.errors import InputError
from vbpi_mix.io.arrays import load_arrays, save_arrays
from vbpi_mix.phylo import TopologyBatch, TreeSample
from vbpi_mix.start.laplace import LaplaceWeights
from vbpi_mix.start.lengths import OptimisedLengths
from vbpi_mix.start.weights import SampledTrees, WeightedTopologies

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Start:
    """Candidate topologies, weighted or as they came; all values of the mappings are such as JSON holds exactly.

    Arguments:
        topologies: grown and weighted, or candidates as they are.
        seconds: wall time by what was done: "candidates", "growth".
        account: record of growth (`experiment.start.growth_account`); empty if the candidates were not grown.
        settings: everything that the topologies depend on.
        made: versions, machine, commit, threads and load that made them.
    """

    topologies: TreeSample | WeightedTopologies
    seconds: Mapping[str, float]
    account: Mapping[str, float | int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sample(self) -> TreeSample:
        """The topologies without their branch lengths."""
        found = self.topologies
        return found.sample if isinstance(found, WeightedTopologies) else found

    def other_setting(self, wanted: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
        """Name, value and wanted value of the first setting that the topologies were made with otherwise, if any."""
        for key in dict.fromkeys((*wanted, *self.settings)):
            if self.settings.get(key) != wanted.get(key):
                return key, self.settings.get(key), wanted.get(key)
        return None

    def save(self, path: Path | str) -> None:
        """Write the file, compressed; atomic.

        Raises:
            InputError: it cannot be written.
        """
        arrays = self._arrays()
        save_arrays(path, {"hash": np.array(_hash(arrays).encode()), **arrays})

    def _arrays(self) -> dict[str, Any]:
        about = {name: dict(getattr(self, name)) for name in ("seconds", "account", "settings", "made")}
        arrays: dict[str, Any] = {
            "format": np.array(_FORMAT),
            "about": np.array(json.dumps(about, sort_keys=True, allow_nan=False).encode()),
            "taxa": np.array([name.encode() for name in self.sample.taxa]),
            "children": self.sample.topologies.children,
            "weights": self.sample.weights,
        }
        if isinstance(self.topologies, WeightedTopologies):
            modes, laplace = self.topologies.modes, self.topologies.laplace
            arrays |= {
                "log_lengths": modes.log_lengths,
                "log_density": modes.log_density,
                "remaining_gain": modes.remaining_gain,
                "n_evaluations": np.array(modes.n_evaluations),
                "log_weight": laplace.log_weight,
                "log_precision": laplace.log_precision,
                "exact_hessian": laplace.exact_hessian,
            }
            if self.topologies.coordinates is not None:
                arrays["coordinates"] = self.topologies.coordinates
            if self.topologies.trees is not None:
                trees = self.topologies.trees
                arrays |= {
                    "tree_children": trees.topologies.children,
                    "tree_log_lengths": trees.log_lengths,
                    "tree_coordinates": trees.coordinates,
                }
        return arrays


def load_start(path: Path | str, settings: Mapping[str, Any]) -> Start | None:
    """Read what `Start.save` wrote, or None where there is no such file.

    Arguments:
        path: the file.
        settings: settings that the topologies must have been made with.

    Raises:
        InputError: damaged, written by something else, or made with other settings.
    """
    path = Path(path)
    if not path.is_file():
        return None
    with reading(path, InputError, "delete it to make it anew"):
        arrays = load_arrays(path)
        written = arrays.pop("hash").item().decode()
        if int(arrays["format"]) != _FORMAT:
            raise InputError(f"{path}: format {arrays['format']}; this version reads {_FORMAT}: delete the file")
        about = json.loads(arrays["about"].item().decode())
        start = Start(topologies=_topologies(arrays), **about)
    if written != _hash(arrays):
        raise InputError(f"{path}: the content does not match its hash: the file is damaged; delete it")
    other = start.other_setting(settings)
    if other is not None:
        key, then, now = other
        raise InputError(
            f"{path} was made with {key} = {then}, now it is {now}: give another folder, or delete the file"
        )
    return start


def _topologies(arrays: Mapping[str, np.ndarray]) -> TreeSample | WeightedTopologies:
    sample = TreeSample(
        taxa=tuple(name.decode() for name in arrays["taxa"].tolist()),
        topologies=TopologyBatch(arrays["children"]),
        weights=arrays["weights"],
    )
    if "log_lengths" not in arrays:
        return sample
    return WeightedTopologies(
        sample=sample,
        modes=OptimisedLengths(
            log_lengths=arrays["log_lengths"],
            log_density=arrays["log_density"],
            remaining_gain=arrays["remaining_gain"],
            n_evaluations=int(arrays["n_evaluations"]),
        ),
        laplace=LaplaceWeights(
            log_weight=arrays["log_weight"],
            log_precision=arrays["log_precision"],
            exact_hessian=arrays["exact_hessian"],
        ),
        coordinates=arrays.get("coordinates"),
        trees=_trees(arrays),
    )


def _trees(arrays: Mapping[str, np.ndarray]) -> SampledTrees | None:
    if "tree_children" not in arrays:
        return None
    return SampledTrees(
        topologies=TopologyBatch(arrays["tree_children"]),
        log_lengths=arrays["tree_log_lengths"],
        coordinates=arrays["tree_coordinates"],
    )


def _hash(arrays: Mapping[str, Any]) -> str:
    """SHA-256 of names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {arrays[name].shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
