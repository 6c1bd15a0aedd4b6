"""A support in one file, with its taxa and the topologies that it was made from."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vbpi_mix.damage import reading
from vbpi_mix.errors import SupportError
from vbpi_mix.io.arrays import load_arrays, save_arrays
from vbpi_mix.phylo import TopologyBatch, TreeSample
from vbpi_mix.support.subsplit_support import SubsplitSupport

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class SavedSupport:
    """Content of a support file.

    Arguments:
        support: the support.
        sample: weighted topologies; `sample.taxa` are the names of the support's taxa.
    """

    support: SubsplitSupport
    sample: TreeSample

    def save(self, path: Path | str) -> None:
        """Write the file, compressed; atomic.

        Raises:
            InputError: it cannot be written.
        """
        arrays: dict[str, Any] = {
            "format": np.array(_FORMAT),
            "taxa": np.array([name.encode() for name in self.sample.taxa]),
            "children": self.sample.topologies.children,
            "weights": self.sample.weights,
            "hash": np.array(self._hash().encode()),
        }
        arrays |= {f"support_{name}": array for name, array in self.support.arrays().items()}
        save_arrays(path, arrays)

    def _hash(self) -> str:
        """SHA-256 of taxa, support and weighted topologies."""
        digest = hashlib.sha256("\0".join(self.sample.taxa).encode())
        digest.update(self.support.content_hash.encode())
        digest.update(np.ascontiguousarray(self.sample.topologies.children, dtype="<i4").tobytes())
        digest.update(np.ascontiguousarray(self.sample.weights, dtype="<f8").tobytes())
        return digest.hexdigest()


def load_support(path: Path | str) -> SavedSupport:
    """Read what `SavedSupport.save` wrote.

    Raises:
        SupportError: not there, damaged, or written by something else.
    """
    path = Path(path)
    if not path.is_file():
        raise SupportError(f"{path}: not found: make a support with `vbpi-mix support ALIGNMENT -o {path.name}`")
    if not zipfile.is_zipfile(path):
        raise SupportError(f"{path}: damaged, or not a support file of this program (no zip archive)")
    with reading(path, SupportError, "make it again with `vbpi-mix support`"):
        arrays = load_arrays(path)
        if int(arrays["format"]) != _FORMAT:
            raise SupportError(f"{path}: support format {arrays['format']}; this version reads {_FORMAT}")
        saved = SavedSupport(
            support=SubsplitSupport.from_arrays(
                {name[8:]: array for name, array in arrays.items() if name.startswith("support_")}
            ),
            sample=TreeSample(
                taxa=tuple(name.decode() for name in arrays["taxa"].tolist()),
                topologies=TopologyBatch(arrays["children"]),
                weights=arrays["weights"],
            ),
        )
        if arrays["hash"].item().decode() != saved._hash():
            raise SupportError(f"{path}: the content does not match its hash: the file is damaged")
        return saved
