import numpy as np
import pytest

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.phylo import DNA, PROTEIN, Alignment, Section, data_type, merge_relabelled, site_patterns, standard
from vbpi_mix.phylo.data_type import data_type_name, type_of_model


def test_codes_are_bit_sets_of_the_states():
    assert PROTEIN.n_states == 20
    assert PROTEIN.codes["B"] == PROTEIN.codes["N"] | PROTEIN.codes["D"]
    assert PROTEIN.codes["Z"] == PROTEIN.codes["Q"] | PROTEIN.codes["E"]
    assert PROTEIN.codes["J"] == PROTEIN.codes["I"] | PROTEIN.codes["L"]
    assert {PROTEIN.codes[x] for x in "XUO*?-"} == {PROTEIN.missing} == {2**20 - 1}
    assert (DNA.dtype, PROTEIN.dtype, standard(9).dtype) == (np.uint8, np.uint32, np.uint32)
    assert [standard(3).codes[x] for x in "012?"] == [1, 2, 4, 7]


@pytest.mark.parametrize("kind", [DNA, PROTEIN, standard(2), standard(7)])
def test_characters_are_those_that_are_read_as_the_sets(kind):
    sets = np.array(sorted(set(kind.codes.values())), dtype=kind.dtype)
    characters = kind.characters(np.stack([sets, sets[::-1]]), missing="?")
    assert [[kind.codes[c] for c in row] for row in characters] == [sets.tolist(), sets[::-1].tolist()]
    assert "".join(kind.characters(1 << np.arange(kind.n_states), missing="?")) == kind.states
    assert kind.characters(np.array([kind.missing]), missing="-").tolist() == ["-"]


def test_a_set_of_states_without_a_character_is_named():
    with pytest.raises(InputError, match=r"standard data .* 101 "):
        standard(3).characters(np.array([[1, 5]]), missing="?")


@pytest.mark.parametrize("kind", [DNA, PROTEIN, standard(2), standard(7)])
def test_labels_survive_a_round_trip(kind):
    assert data_type(kind.label) == kind


def test_unknown_words_are_refused():
    with pytest.raises(ConfigError, match="unknown data type 'codon'"):
        data_type("codon")
    with pytest.raises(ConfigError, match="2 to 32 states, not 1"):
        standard(1)
    with pytest.raises(ConfigError, match="auto, dna, protein, standard"):
        data_type_name("aa")
    assert data_type_name("auto") is None
    assert [type_of_model(text) for text in ("lg+G4", "MK", "GTR+G4", "Blosum62")] == [
        "protein", "standard", None, "protein"
    ]  # fmt: skip


def mixed():
    sets = np.array([[1, 2, 1, 3], [2, 1, 1, 15], [4, 15, 2, 15], [8, 15, 2, 1]], dtype=np.uint8)
    sections = (
        Section(data_type=DNA, sites=np.array([0, 1])),
        Section(data_type=standard(4), sites=np.array([2, 3])),
    )
    return Alignment(taxa=("a", "b", "c", "d"), state_sets=sets, sections=sections)


def test_patterns_have_the_type_of_their_sites():
    assert site_patterns(mixed(), np.array([0, 1])).data_type == DNA
    with pytest.raises(InputError, match="dna and standard data"):
        site_patterns(mixed())


def test_relabelled_patterns_keep_their_number_of_states():
    sets = np.array([[8, 1], [4, 2], [8, 1], [4, 1]], dtype=np.uint8)
    patterns = site_patterns(Alignment(taxa=("a", "b", "c", "d"), state_sets=sets, data_type=standard(4)))
    assert merge_relabelled(patterns).data_type == patterns.data_type == standard(4)


def test_discrete_characters_have_the_states_that_occur():
    patterns = site_patterns(mixed(), np.array([2, 3]))
    assert patterns.data_type == standard(2)
    assert sorted(map(tuple, patterns.state_sets.T.tolist())) == [(1, 1, 2, 2), (3, 3, 3, 1)]
    assert mixed().taxa_without_data(np.array([1, 3])) == ["c"]
