import pytest

from vbpi_mix.errors import InputWarning
from vbpi_mix.io.notices import listed, notice


def test_a_notice_names_who_called_the_reader():
    names = {"notice": notice}
    exec(compile("def reader():\n    notice('a word')", "reader.py", "exec"), names)
    with pytest.warns(InputWarning, match="a word") as told:
        names["reader"]()
    assert told[0].filename == __file__


def test_long_lists_are_cut():
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abc"), most=3) == "a, b, c"
    assert listed(list("abcd"), most=3) == "a, b, c and 1 more"
