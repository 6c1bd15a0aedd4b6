import pytest

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.phylo import all_topologies
from vbpi_mix.support.replicates import ReplicateFile


def test_damaged_lines_are_made_again(tmp_path):
    path = tmp_path / "kept.tsv"
    trees = list(all_topologies(6))
    file = ReplicateFile(path, "abc", 6)
    for number in (2, 0, 1):
        file.append(number, trees[number * 30])
    kept = ReplicateFile(path, "abc", 6).finished
    assert list(kept) == [2, 0, 1]
    assert all((kept[i].children == trees[i * 30].children).all() for i in kept)

    lines = path.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace("0", "00", 1)
    path.write_text("".join(lines)[:-3])  # and the last one cut off
    kept = ReplicateFile(path, "abc", 6)
    assert list(kept.finished) == [2]
    kept.append(0, trees[0])
    assert list(ReplicateFile(path, "abc", 6).finished) == [2, 0]


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "kept.tsv"
    ReplicateFile(path, "abc", 6).append(0, next(iter(all_topologies(6))))
    with pytest.raises(ConfigError, match="another bootstrap"):
        ReplicateFile(path, "abd", 6)
    path.write_bytes(b"\x00\xff")
    with pytest.raises(ConfigError, match="another bootstrap"):
        ReplicateFile(path, "abc", 6)
    with pytest.raises(InputError, match="cannot be read"):
        ReplicateFile(tmp_path, "abc", 6)
