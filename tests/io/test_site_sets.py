import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.site_sets import parse_sites

KNOWN = {"a": np.array([0, 1, 2]), "16s": np.array([9]), "it's": np.array([5])}


@pytest.mark.parametrize(
    ("text", "sites"),
    [
        ("1-3", [1, 2, 3]),
        (" 5 ", [5]),
        ("1-10\\3", [1, 4, 7, 10]),
        ("2 - . \\ 3", [2, 5, 8, 11]),
        ("1-10/3,12", [1, 4, 7, 10, 12]),
        ("10-.", [10, 11, 12]),
        (".", [12]),
        ("all", range(1, 13)),
        ("A 5", [1, 2, 3, 5]),
        ("16S", [10]),
        ("'it''s', 1", [1, 6]),
        ("5 1-6\\5 5", [1, 5, 6]),
        ("003-0004", [3, 4]),
        ("1-2,\n 4-5", [1, 2, 4, 5]),
    ],
)
def test_sets(text, sites):
    found = parse_sites(text, 12, "f", KNOWN)
    assert found.dtype == np.int64
    assert (found + 1).tolist() == list(sites)


def test_the_remainder_is_what_the_caller_says():
    assert parse_sites("remainder 1", 12, "f", {}, rest=np.arange(12) == 7).tolist() == [0, 7]
    with pytest.raises(InputError, match="remainder is no charset"):
        parse_sites("remainder", 12, "f", {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no site"),
        (" , ", "no site"),
        ("1-13", "site 13, .*12 sites"),
        ("1-" + "9" * 5000, "site 9+\\.\\.\\., .* 12"),
        ("0-3", "site 0; .*from 1"),
        ("6-1", "the range 6-1 runs backwards"),
        ("1-6\\0", "has a step of 0"),
        ("1-", "malformed range 1-;"),
        ("-3", "malformed range -3"),
        ("1-2-3", "malformed range 1-2-3"),
        ("1\\3", "malformed range 1"),
        ("1-6\\x", "1-6\\\\x is no charset"),
        ("1-b", "1-b .*known are a, 16s, it's"),
        ("1..6", "malformed range 1..6"),
        ("１-３", "is no charset"),
    ],
)
def test_errors(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_sites(text, 12, "file, line 3", KNOWN)
    assert str(caught.value).startswith("file, line 3: ")
    assert "\n" not in str(caught.value)
