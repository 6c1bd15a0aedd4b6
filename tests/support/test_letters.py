import numpy as np

from vbpi_mix.phylo import DNA, PROTEIN, Alignment, Section, standard
from vbpi_mix.support.letters import plain_letters

TAXA = ("a", "b", "c", "d")


def rows(alignment):
    letters, nucleotides = plain_letters(alignment)
    return [row.tobytes().decode() for row in letters], nucleotides


def sets(kind, *texts):
    return np.array([[kind.codes[c] for c in text] for text in texts], dtype=kind.dtype)


def test_states_are_themselves_and_all_else_is_a_gap():
    dna = Alignment(taxa=TAXA, state_sets=sets(DNA, "ACGT", "RN-T", "UUYA", "GGGG"))
    assert rows(dna) == (["ACGT", "---T", "TT-A", "GGGG"], True)
    protein = Alignment(taxa=TAXA, state_sets=sets(PROTEIN, "ARV", "BZX", "W-Y", "JJL"), data_type=PROTEIN)
    assert rows(protein) == (["ARV", "---", "W-Y", "--L"], False)


def test_discrete_states_borrow_letters():
    few = Alignment(taxa=TAXA, state_sets=sets(standard(3), "012", "2?0", "111", "-10"), data_type=standard(3))
    assert rows(few) == (["ACG", "G-A", "CCC", "-CA"], True)
    kind = standard(24)  # more states than amino acids: those beyond the twentieth are gaps
    many = Alignment(taxa=TAXA, state_sets=sets(kind, "0J", "KL", "AB", "N?"), data_type=kind)
    assert rows(many) == (["AV", "--", "LK", "--"], False)


def test_beside_other_data_nucleotides_go_for_amino_acids():
    sections = (Section(data_type=standard(2), sites=np.arange(2)), Section(data_type=DNA, sites=np.arange(2, 4)))
    state_sets = np.concatenate([sets(standard(2), *["01"] * 4), sets(DNA, *["GT"] * 4)], axis=1)
    mixed = Alignment(taxa=TAXA, state_sets=state_sets, sections=sections)
    assert rows(mixed) == (["ARGT"] * 4, False)
