"""Parts of an alignment that may have models of their own."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.phylo.data_type import DataTypeName


@dataclass(frozen=True, kw_only=True, eq=False)
class Partition:
    """One part of the sites of an alignment; `site_patterns(alignment, part.sites)` gives its patterns.

    Arguments:
        name: name as the file has it.
        sites: (n,) int64 columns from 0, ascending and distinct, n >= 1.
        model: a model string as written, not checked; None where the file names none.
        data_type: data type that the file declares, by itself or by the model's name; None where it declares none.
    """

    name: str
    sites: np.ndarray
    model: str | None = None
    data_type: DataTypeName | None = None

    @property
    def n_sites(self) -> int:
        return len(self.sites)
