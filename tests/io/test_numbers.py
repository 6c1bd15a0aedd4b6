import math

import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.io.numbers import finite_number, number, parse_share


@pytest.mark.parametrize("text", ["1", "-2.5", "+3", ".5", "7.", "1e-3", "2E+5", "0"])
def test_decimal_numbers(text):
    assert number(text) == finite_number(text) == float(text)


@pytest.mark.parametrize("text", ["", "1_0", "nan", "infinity", "0x1", "1e", "e5", ".", " 1", "1,5", "\u0661", "--1"])
def test_what_is_no_number(text):
    assert number(text) is None
    assert finite_number(text) is None


def test_numbers_that_are_too_large():
    assert number("1e999") == math.inf
    assert finite_number("1e999") is None


@pytest.mark.parametrize(("text", "share"), [("25%", 0.25), ("0.25", 0.25), ("0", 0), (" 10 % ", 0.1), (".5", 0.5)])
def test_shares(text, share):
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["", "25", "100%", "-1%", "a quarter", "1"])
def test_shares_that_are_none(text):
    with pytest.raises(ConfigError, match="give 25%"):
        parse_share(text)
