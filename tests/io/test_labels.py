import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.labels import TaxonLabels


def test_the_exact_name_comes_first():
    labels = TaxonLabels(["a b", "a_b", "a"])
    assert [labels.find(name) for name in ("a b", "a_b", "a")] == [0, 1, 2]


def test_spaces_and_underscores_are_exchanged_where_that_is_unique():
    labels = TaxonLabels(["Homo sapiens", "Pan_paniscus", "x y", "x|y z"])
    assert labels.find("Homo_sapiens") == 0
    assert labels.find("Pan paniscus") == 1
    assert labels.find("x_y") == 2
    assert TaxonLabels(["p q r", "p_q r", "s"]).find("p_q_r") is None  # two names would do


def test_other_signs_that_programs_replace():
    assert TaxonLabels(["A(1)", "B"]).find("A_1_") == 0


def test_quoted_labels_mean_the_exact_name_only():
    labels = TaxonLabels(["Homo_sapiens", "Pan"])
    assert labels.find("Homo sapiens", quoted=True) is None
    assert labels.find("Homo_sapiens", quoted=True) == 0


def test_the_first_word_of_a_header_is_enough_where_it_is_unique():
    labels = TaxonLabels(["AB1.1 Homo sapiens", "AB2.1 Homo sapiens", "C one", "C two"])
    assert labels.find("AB2.1") == 1
    assert labels.find("C") is None


def test_differing_taxa_are_named():
    labels = TaxonLabels(["a", "b", "c", "d", "e", "f"])
    with pytest.raises(InputError, match=r"t: .*it has 'x'.*the alignment has 'b', 'c', 'd' and 2 more"):
        labels.check([0], ["x"], "t")
    labels.check(range(6), [], "t")


def test_taxa_must_differ():
    with pytest.raises(InputError, match="'a' is there twice"):
        TaxonLabels(["a", "b", "a"])
