"""State frequencies counted from an alignment."""

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import SitePatterns
from vbpi_mix.phylo.alignment import STATES

_PASSES = 8


def empirical_frequencies(patterns: SitePatterns) -> np.ndarray:
    """(4,) frequencies of A, C, G, T, as IQ-TREE counts them for +F.

    Every character of every sequence counts as one, an ambiguity code shared out among its states in proportion to
    their frequencies. These start equal and are recounted eight times. Gaps and missing data are shared out too, so
    that an alignment made mostly of them has frequencies nearer to equal than those of its nucleotides.

    Raises:
        InputError: a state that does not occur: no reversible model has a frequency of 0.
    """
    codes = np.bincount(
        patterns.state_sets.reshape(-1), weights=np.tile(patterns.weights, patterns.n_taxa), minlength=16
    )
    allowed = ((np.arange(16)[:, None] >> np.arange(4)) & 1).astype(np.float64)
    occurring = codes > 0
    codes, allowed = codes[occurring], allowed[occurring]
    frequencies = np.full(4, 0.25)
    for _ in range(_PASSES):
        shares = allowed * frequencies
        frequencies = (codes[:, None] * shares / shares.sum(axis=1, keepdims=True)).sum(axis=0)
        total = frequencies.sum()
        frequencies = frequencies / total if total > 0 else np.full(4, 0.25)
    if not (frequencies > 0).all():
        absent = STATES[int(frequencies.argmin())]
        raise InputError(
            f"the alignment has no {absent}: its frequencies cannot be counted for a model with +F; "
            "give frequencies, for example +F{0.25,0.25,0.25,0.25}, or choose equal ones with +FQ"
        )
    return frequencies
