"""Many Newick trees on the same taxa: topologies only, fast."""

import re
from collections.abc import Mapping

import numpy as np

from vbpi_mix.io import newick_kernels as kernels
from vbpi_mix.io.labels import TaxonLabels

# the tips that need no more than a look: most of those of most files
_PLAIN_TIP = re.compile(rb"[(,]\s*([^\s(),:;\[\]'\"<]+)(?=[\s(),:])")
_COMMENT = re.compile(rb"\[[^\[\]]*\]")


class TopologyReader:
    """Reads trees out of bytes into canonical children arrays; lengths, comments and inner labels are passed over.

    Every spelling of a taxon is looked up once and then kept in the compiled readers' table.

    Arguments:
        labels: the taxa.
        translate: NEXUS TRANSLATE table, token (without quotes) to label as written.
    """

    def __init__(self, labels: TaxonLabels, translate: Mapping[str, str] | None = None) -> None:
        self.labels = labels
        self.translate = dict(translate or {})
        self._taxon_of: dict[bytes, int] = {}
        self._enter()

    def read(self, buffer: bytes, spans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read the trees that stand at `spans` (T, 2) of `buffer`, each from its first bracket to its semicolon.

        Returns:
            children (T, N-2, 2) int32, valid where the status is `READ`, and (T,) uint8 status: `READ`,
            `MULTIFURCATING` or `REFUSED` of `newick_kernels`.
        """
        text = np.frombuffer(buffer, dtype=np.uint8)
        children = np.empty((len(spans), len(self.labels.taxa) - 2, 2), dtype=np.int32)
        status = np.empty(len(spans), dtype=np.uint8)
        done, window = 0, 1
        while True:
            done, begin, end = kernels.read_topologies(text, spans, done, *self._table, children, status)
            if done == len(spans):
                return children, status
            self._learn(buffer[begin:end])
            for first, last in spans[done : done + window].tolist():
                for match in _PLAIN_TIP.finditer(_COMMENT.sub(b"", buffer[first:last])):
                    self._learn(match[1])
            self._enter()
            window *= 2  # so that many new spellings cost no more than a few tables

    def _learn(self, spelling: bytes) -> None:
        if spelling not in self._taxon_of:
            # not UTF-8: no taxon, which `read_tree` reports
            taxon = self.labels.find_written(spelling.decode("utf-8", errors="replace"), self.translate)
            self._taxon_of[spelling] = -1 if taxon is None else taxon

    def _enter(self) -> None:
        text = np.frombuffer(b"".join(self._taxon_of), dtype=np.uint8)
        ends = np.cumsum([0, *map(len, self._taxon_of)], dtype=np.int64)
        slots = np.empty(1 << (4 * len(self._taxon_of) + 8).bit_length(), dtype=np.int32)
        kernels.hash_labels(text, ends, slots)
        self._table = (text, ends, slots, np.fromiter(self._taxon_of.values(), dtype=np.int32))
