"""Bootstrap replicates on disk as they finish, so that an interrupted bootstrap loses at most those under way.

A text file: a header that names the bootstrap, then one line per replicate in the order in which they finished, its
number, its tree with taxa as the integers 0 to N-1, and the CRC-32 of both.
"""

import binascii
from pathlib import Path

import numpy as np

from vbpi_mix.errors import BackendError, ConfigError, InputError
from vbpi_mix.phylo.topology import Topology
from vbpi_mix.support.polytomies import resolve_newick

_FORMAT = "vbpi-mix bootstrap 1"


class ReplicateFile:
    """The finished replicates of one bootstrap.

    Arguments:
        path: the file; made by the first `append`.
        identity: identity of everything that a replicate depends on besides its number; kept in the file.
        n_taxa: N.

    Raises:
        ConfigError: the file belongs to another bootstrap.
        InputError: it cannot be read or written.
    """

    def __init__(self, path: Path, identity: str, n_taxa: int) -> None:
        self.path = path
        self._header = f"{_FORMAT} {identity}"
        self._labels = [str(i) for i in range(n_taxa)]
        self.finished: dict[int, Topology] = self._read() if path.exists() else {}

    def append(self, replicate: int, tree: Topology) -> None:
        """Keep one more replicate."""
        content = f"{replicate}\t{tree.newick(self._labels)}"
        self.finished[replicate] = tree
        try:
            new = not self.path.exists()
            with self.path.open("a", encoding="ascii", newline="\n") as file:
                file.write(f"{self._header}\n" * new + f"{content}\t{_check(content)}\n")
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}") from error

    def _read(self) -> dict[int, Topology]:
        try:
            text = self.path.read_bytes().decode("ascii", errors="replace")
            header, *lines = text.split("\n")
            if header != self._header:
                raise ConfigError(
                    f"{self.path}: holds replicates of another bootstrap (another alignment, seed or version of "
                    "VeryFastTree): delete the file, or choose another output"
                )
            finished: dict[int, Topology] = {}
            for line in lines:
                fields = line.split("\t")
                # a line that was cut off or damaged is a replicate to make again
                if len(fields) == 3 and fields[2] == _check(f"{fields[0]}\t{fields[1]}"):
                    tree = resolve_newick(fields[1], len(self._labels), np.random.default_rng(0))  # binary: no draws
                    finished[int(fields[0])] = tree
            if lines[-1:] != [""]:  # the next line must not be written behind half a line
                with self.path.open("a", encoding="ascii", newline="\n") as file:
                    file.write("\n")
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from error
        except BackendError as error:
            raise InputError(f"{self.path}: {error}") from error
        return finished


def _check(content: str) -> str:
    return f"{binascii.crc32(content.encode()):08x}"
