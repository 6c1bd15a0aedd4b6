import json
import subprocess
import sys

import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.writing import append_line, atomic_write


def test_a_limit_is_met_while_writing_or_closing(tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000));"
        "from pathlib import Path; from vbpi_mix.writing import atomic_write, append_line;"
        "from vbpi_mix.errors import InputError; path = Path(sys.argv[1])\n"
        "for size in (6000, 2_000_000):\n"
        "    for mode, unit in (('w', 'x'), ('wb', b'x')):\n"
        "        try:\n"
        "            with atomic_write(path / 'file', mode) as file: file.write(unit * size)\n"
        "        except InputError as error: print(error)\n"
        "try: append_line(path / 'lines', 'x' * 6000)\n"
        "except InputError as error: print(error)\n"
    )
    (tmp_path / "file").write_text("old")
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert run.stdout.count("File too large") == 5
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "lines"]


def test_names_of_the_longest_length_and_of_other_encodings(tmp_path):
    path = tmp_path / ("n" * 250 + ".txt")
    with atomic_write(path) as file:
        file.write("name \udcff\n")
    assert path.read_text(encoding="utf-8") == "name \\udcff\n"
    append_line(path, json.dumps({"iteration": 1}))
    with pytest.raises(InputError, match="File name too long"), atomic_write(tmp_path / ("n" * 300)) as file:
        file.write("x")


def test_links_are_not_written_through(tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(InputError, match="cannot write"):
        append_line(tmp_path / "link", "x")
    with atomic_write(tmp_path / "link") as file:
        file.write("yours")
    assert target.read_text() == "mine"
    assert (tmp_path / "link").read_text() == "yours"


def test_after_an_error_the_old_file_stays_and_nothing_else_is_left(tmp_path):
    (tmp_path / "file").write_text("old")

    def write_half():
        with atomic_write(tmp_path / "file") as file:
            file.write("new")
            file.flush()
            assert (tmp_path / "file").read_text() == "old"  # readers never see a part
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"
    with atomic_write(tmp_path / "file", "wb") as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(InputError, match="is a folder"), atomic_write(tmp_path):
        pass
    with pytest.raises(InputError, match="cannot write"), atomic_write(tmp_path / "absent" / "file"):
        pass
