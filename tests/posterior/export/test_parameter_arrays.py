import pytest

from vbpi_mix.posterior.export.parameter_arrays import ParameterArray, parameter_arrays

SUBSTITUTIONS = ("A<->C", "A<->G", "A<->T", "C<->G", "C<->T", "G<->T")
STATES = ("A", "C", "G", "T")


def test_shares_are_one_array():
    names = [*(f"r({x})" for x in SUBSTITUTIONS), *(f"pi({x})" for x in STATES), "alpha", "pinvar"]
    assert parameter_arrays(names) == [
        ParameterArray(name="r", columns=tuple(range(6)), axis="substitution", labels=SUBSTITUTIONS),
        ParameterArray(name="pi", columns=(6, 7, 8, 9), axis="state", labels=STATES),
        ParameterArray(name="alpha", columns=(10,)),
        ParameterArray(name="pinvar", columns=(11,)),
    ]


def test_parts_have_arrays_of_their_own_on_common_axes():
    names = [*(f"pi({x}){{1}}" for x in STATES), "kappa{1}", *(f"pi({x}){{2}}" for x in STATES), "m{1}", "m{2}"]
    found = parameter_arrays(names)
    assert [array.name for array in found] == ["pi_1", "kappa_1", "pi_2", "m_1", "m_2"]
    assert [array.axis for array in found] == ["state", None, "state", None, None]
    assert found[2].columns == (5, 6, 7, 8)


def test_other_labels_have_another_axis():
    tn93 = ("A<->G", "C<->T", "others")
    found = parameter_arrays([*(f"r({x}){{1}}" for x in SUBSTITUTIONS), *(f"r({x}){{2}}" for x in tn93)])
    assert [(array.name, array.axis, array.labels) for array in found] == [
        ("r_1", "substitution", SUBSTITUTIONS),
        ("r_2", "substitution_2", tn93),
    ]


@pytest.mark.parametrize(("name", "valid"), [("m{1,2}", "m_1_2"), ("a b", "a_b"), ("odd{", "odd")])
def test_any_name_becomes_a_valid_one(name, valid):
    assert parameter_arrays([name]) == [ParameterArray(name=valid, columns=(0,))]


def test_none():
    assert parameter_arrays([]) == []
