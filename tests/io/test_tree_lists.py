"""Batches of trees from files that are read in pieces."""

import pytest

from tests.io.test_trees import AB, AC, BEAST, MRBAYES_T, read
from vbpi_mix.errors import InputError
from vbpi_mix.io import tree_lists


@pytest.mark.parametrize("size", [1, 7, 100])
def test_any_cutting_into_chunks_gives_the_same(tmp_path, monkeypatch, size):
    monkeypatch.setattr(
        tree_lists,
        "read_chunks",
        lambda path, *_: (path.read_bytes()[i : i + size] for i in range(0, path.stat().st_size, size)),
    )
    table = f"rank\tmean_prob\tnewick\n1\t0.5\t{AB}\n2\t0.25\t{AC}\n"
    for text, expected in [(MRBAYES_T, {AC: 2, AB: 1}), (BEAST, {AB: 2}), (table, {AB: 0.5, AC: 0.25})]:
        assert read(tmp_path, text) == expected
    with pytest.raises(InputError, match=r"line 3: .*'E'"):
        read(tmp_path, f"{AB}\n[;\n](A,B,(C,E));")
