"""Alignments in the letters that programs for candidate topologies read."""

import numpy as np

from vbpi_mix.phylo.alignment import Alignment, Section
from vbpi_mix.phylo.data_type import AMINO_ACIDS, DNA, DataType


def plain_letters(alignment: Alignment) -> tuple[np.ndarray, bool]:
    """(N, L) ASCII codes of letters, ambiguous characters as gaps, and whether all of them are nucleotides.

    Up to four discrete states go for nucleotides, up to twenty for amino acids, as do nucleotides beside other data:
    candidate topologies need be no more than plausible. Of more states those beyond the twentieth are gaps.
    """
    sections = alignment.sections or (Section(data_type=alignment.data_type, sites=np.arange(alignment.n_sites)),)
    nucleotides = len({section.data_type.name for section in sections}) == 1 and sections[0].data_type.n_states <= 4
    letters = np.full(alignment.state_sets.shape, ord("-"), dtype=np.uint8)
    for section in sections:
        sets = alignment.state_sets[:, section.sites]
        part = letters[:, section.sites]
        for state, letter in enumerate(_letters(section.data_type, nucleotides=nucleotides)):
            part[sets == 1 << state] = ord(letter)
        letters[:, section.sites] = part
    return letters, nucleotides


def _letters(data_type: DataType, *, nucleotides: bool) -> str:
    if data_type.name == "standard":
        return (DNA.states if nucleotides else AMINO_ACIDS)[: data_type.n_states]
    return data_type.states
