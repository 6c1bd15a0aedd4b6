"""State frequencies counted from an alignment."""

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.notices import notice
from vbpi_mix.phylo import SitePatterns

_PASSES = 8
_LEAST = 1e-4


def empirical_frequencies(patterns: SitePatterns) -> np.ndarray:
    """(n,) frequencies of the states, as IQ-TREE counts them for +F.

    Every character of every sequence counts as one, an ambiguity code shared out among its states in proportion to
    their frequencies. These start equal and are recounted eight times. Gaps and missing data are shared out too, so
    that an alignment made mostly of them has frequencies nearer to equal than those of its nucleotides. An amino acid
    that does not occur has the frequency 0.0001, as there, and a notice says so.

    Raises:
        InputError: another state that does not occur: no reversible model has a frequency of 0.
    """
    n = patterns.n_states
    sets, inverse = np.unique(patterns.state_sets.reshape(-1), return_inverse=True)
    codes = np.bincount(inverse.reshape(-1), weights=np.tile(patterns.weights, patterns.n_taxa), minlength=len(sets))
    allowed = ((sets.astype(np.uint64)[:, None] >> np.arange(n, dtype=np.uint64)) & np.uint64(1)).astype(np.float64)
    occurring = codes > 0
    codes, allowed = codes[occurring], allowed[occurring]
    frequencies = np.full(n, 1 / n)
    for _ in range(_PASSES):
        shares = allowed * frequencies
        frequencies = (codes[:, None] * shares / shares.sum(axis=1, keepdims=True)).sum(axis=0)
        total = frequencies.sum()
        frequencies = frequencies / total if total > 0 else np.full(n, 1 / n)
    rare = frequencies < _LEAST
    if patterns.data_type.name == "protein" and rare.any():
        absent = [state for state, few in zip(patterns.data_type.states, rare, strict=True) if few]
        notice(f"amino acids that do not occur have the frequency {_LEAST} for +F: {', '.join(absent)}")
        frequencies[rare] = _LEAST
        frequencies[frequencies.argmax()] -= frequencies.sum() - 1
    if not (frequencies > 0).all():
        absent = patterns.data_type.states[int(frequencies.argmin())]
        raise InputError(
            f"the alignment has no {absent}: its frequencies cannot be counted for a model with +F; "
            "give frequencies, for example +F{0.25,0.25,0.25,0.25}, or choose equal ones with +FQ"
        )
    return frequencies
