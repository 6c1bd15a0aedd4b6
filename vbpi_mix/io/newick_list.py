"""Many Newick trees on the same taxa: topologies only, fast."""

from collections.abc import Mapping

import numpy as np

from vbpi_mix.io import newick_kernels as kernels
from vbpi_mix.io.labels import TaxonLabels
from vbpi_mix.io.nexus_text import unquote


class TopologyReader:
    """Reads trees out of bytes into canonical children arrays; lengths, comments and inner labels are passed over.

    Every spelling of a taxon is looked up once and then kept in the compiled readers' table.

    Arguments:
        labels: the taxa.
        translate: NEXUS TRANSLATE table, token to label as written.
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
        done = 0
        while True:
            done, begin, end = kernels.read_topologies(text, spans, done, *self._table, children, status)
            if done == len(spans):
                return children, status
            self._learn(buffer[begin:end])

    def _learn(self, spelling: bytes) -> None:
        token = spelling.decode("utf-8", errors="replace")  # not UTF-8: no taxon, which `read_tree` reports
        written = self.translate.get(token, token)
        taxon = self.labels.find(unquote(written), quoted=written.startswith("'"))
        self._taxon_of[spelling] = -1 if taxon is None else taxon
        self._enter()

    def _enter(self) -> None:
        text = np.frombuffer(b"".join(self._taxon_of), dtype=np.uint8)
        ends = np.cumsum([0, *map(len, self._taxon_of)], dtype=np.int64)
        slots = np.empty(1 << (4 * len(self._taxon_of) + 8).bit_length(), dtype=np.int32)
        kernels.hash_labels(text, ends, slots)
        self._table = (text, ends, slots, np.fromiter(self._taxon_of.values(), dtype=np.int32))
