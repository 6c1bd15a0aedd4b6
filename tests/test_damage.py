import pytest

from vbpi_mix.damage import reading
from vbpi_mix.errors import CheckpointError, InputError, SupportError


@pytest.mark.parametrize("cause", [KeyError("weights"), MemoryError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")])
def test_what_damage_raises_becomes_one_error_that_names_the_file(cause):
    with pytest.raises(CheckpointError, match=r"a\.pt: damaged.*restore it") as info, _reading():
        raise cause
    assert info.value.__cause__ is cause


def test_errors_that_name_the_file_pass():
    for error in (CheckpointError("format 9"), InputError("a.pt, line 3: no number")):
        with pytest.raises(type(error)) as info, _reading():
            raise error
        assert info.value is error
    with pytest.raises(CheckpointError, match=r"a\.pt: damaged.*no such split"), _reading():
        raise SupportError("no such split")


def test_what_is_no_damage_passes():
    with pytest.raises(KeyboardInterrupt), _reading():
        raise KeyboardInterrupt


def _reading():
    return reading("a.pt", CheckpointError, "restore it")
