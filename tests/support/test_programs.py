import sys

import pytest

from vbpi_mix.errors import BackendError
from vbpi_mix.support.programs import run_program


def test_output_and_input():
    assert run_program([sys.executable, "-c", "print(input() * 2)"], b"ab\n") == "abab\n"


def test_failures_are_named(tmp_path):
    with pytest.raises(BackendError, match=r"status 3 .*: b c d$"):
        run_program([sys.executable, "-c", "import sys; print('a\\nb\\nc\\nd'); sys.exit(3)"])
    with pytest.raises(BackendError, match="cannot be started"):
        run_program([str(tmp_path / "nothing_here")])
