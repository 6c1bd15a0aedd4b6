import itertools

import pytest

from vbpi_mix.model.model_names import NAMES, canonical_code, find_name

PAIRS = ("AC", "AG", "AT", "CG", "CT", "GT")


def classes(code):
    """Which rates are equal, as a partition of the pairs."""
    return {frozenset(pair for pair, digit in zip(PAIRS, code, strict=True) if digit == d) for d in code}


def test_a_code_keeps_which_rates_are_equal_and_is_its_own_plain_form():
    plain = set()
    for digits in itertools.product("0123", repeat=6):
        code = canonical_code("".join(digits))
        assert classes(code) == classes(digits)
        assert code[-1] == "0"
        others = [int(d) for d in dict.fromkeys(code) if d != "0"]
        assert others == list(range(1, len(others) + 1))
        assert canonical_code(code) == code
        plain.add(code)
    assert len(plain) == 187  # partitions of six pairs into at most four classes, 1 + 31 + 90 + 65


@pytest.mark.parametrize("word", [word for word, model in NAMES.items() if model.data_type == "dna"])
def test_rates_are_equal_where_the_code_says_so(word):
    model = find_name(word.lower())
    given = tuple(float(i) for i in range(2, 2 + model.n_rates))
    rates = (*model.five_rates(given), 1.0)
    assert classes(model.code) == {
        frozenset(pair for pair, rate in zip(PAIRS, rates, strict=True) if rate == value) for value in rates
    }
    assert set(rates) == {1.0, *given}


@pytest.mark.parametrize(
    ("word", "name"), [("111111", "F81"), ("343343", "HKY85"), ("010020", "TN93"), ("012345", "GTR")]
)
def test_codes_of_models_with_names(word, name):
    assert find_name(word).name == name


@pytest.mark.parametrize("word", ["HKI", "01234", "0123456", "01234x", ""])
def test_other_words(word):
    assert find_name(word) is None
