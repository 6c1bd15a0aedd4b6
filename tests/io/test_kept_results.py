"""Results kept on disk: found again, never wrong, and damage costs only what it hit."""

import numpy as np
import pytest

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.io.kept_results import KeptResults

GIVEN = [np.arange(6.0).reshape(2, 3), np.array([1, 2], dtype=np.int32)]


def compute(number):
    return lambda: (np.full((2, 2), float(number)), np.array(number), np.array([np.nan, -np.inf]))


def never():
    raise AssertionError("it is computed again")


@pytest.fixture
def path(tmp_path):
    kept = KeptResults(tmp_path / "search", "a")
    for number in range(3):
        kept.of(f"x{number}", GIVEN, compute(number))
    return tmp_path / "search"


def test_results_are_found_with_their_bits(path):
    kept = KeptResults(path, "a")
    assert len(kept) == 3
    for number in (2, 0, 1):
        for found, made in zip(kept.of(f"x{number}", GIVEN, never), compute(number)(), strict=True):
            assert (found.dtype, found.shape, found.tobytes()) == (made.dtype, made.shape, made.tobytes())
    size = path.stat().st_size
    assert len(KeptResults(path, "a")) == 3
    assert path.stat().st_size == size


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("x9", GIVEN),
        ("x1", [GIVEN[0] + 1e-16 * GIVEN[0] + np.array([[0, 0, 0], [0, 0, 1e-15]]), GIVEN[1]]),
        ("x1", [GIVEN[0].reshape(3, 2), GIVEN[1]]),
        ("x1", [GIVEN[0], GIVEN[1].astype(np.int64)]),
        ("x1", GIVEN[:1]),
    ],
)
def test_what_was_computed_from_something_else_is_computed(path, what, given):
    kept = KeptResults(path, "a")
    assert kept.of(what, given, compute(7))[1] == 7
    assert len(KeptResults(path, "a")) == 4


def test_whatever_is_cut_off_or_damaged_the_whole_records_before_it_are_there(path):
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    record = (len(whole) - header) // 3
    for cut in (*range(header, len(whole), 97), header - 3, 0):
        path.write_bytes(whole[:cut])
        kept = KeptResults(path, "a")
        assert len(kept) == max(0, cut - header) // record
        for number in range(3):
            kept.of(f"x{number}", GIVEN, compute(number))
        assert path.read_bytes() == whole
    for at in range(header, len(whole), 61):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert len(KeptResults(path, "a")) == (at - header) // record


def test_the_results_of_another_search_are_refused(path):
    with pytest.raises(ConfigError, match="the search of another fit"):
        KeptResults(path, "b")


def test_links_are_not_written_through(tmp_path):
    (tmp_path / "search").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot write"):
        KeptResults(tmp_path / "search", "a").of("x", GIVEN, compute(1))
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_file_everything_is_computed(tmp_path):
    assert KeptResults().of("x", GIVEN, compute(3))[1] == 3
    assert list(tmp_path.iterdir()) == []
