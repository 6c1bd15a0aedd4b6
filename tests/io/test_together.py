import subprocess
import sys

import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.together import written_together


def test_files_appear_when_all_are_complete(tmp_path):
    folder = tmp_path / "out"
    with written_together(folder, ["a", "b"]) as (files, scratch):
        (files / "a").write_text("1")
        (scratch / "draft").write_text("")
        assert not folder.exists()
        (files / "b").write_text("2")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "1", "b": "2"}
    assert list(tmp_path.iterdir()) == [folder]


def test_other_files_of_a_folder_stay(tmp_path):
    (tmp_path / "other").write_text("0")
    (tmp_path / "a").write_text("0")
    with pytest.raises(InputError, match="is there already"), written_together(tmp_path, ["a"]):
        pass
    with written_together(tmp_path, ["a"], overwrite=True) as (files, _):
        (files / "a").write_text("1")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "1", "other": "0"}


def test_a_file_that_was_not_written_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot write"), written_together(tmp_path, ["a"]):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing(tmp_path, error):
    def fail(files):
        (files / "a").write_text("1")
        raise error

    with pytest.raises(error), written_together(tmp_path / "out", ["a"]) as (files, _):
        fail(files)
    assert list(tmp_path.iterdir()) == []


_WRITER = """
import sys, time
from pathlib import Path
from vbpi_mix.io.together import written_together
with written_together(Path(sys.argv[1]), ["a"]) as (files, _):
    (files / "a").write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""


def begin_to_write(folder):
    process = subprocess.Popen([sys.executable, "-c", _WRITER, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize("there", [True, False])
def test_what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_writes_is_not(tmp_path, there):
    folder, other = tmp_path / "out", tmp_path / "other"
    if there:
        folder.mkdir()
    place = folder if there else tmp_path
    for target in (folder, other):
        killed = begin_to_write(target)
        killed.kill()
        killed.communicate()
    living = begin_to_write(folder)
    assert len(list(place.glob(".*.tmp"))) == (1 if there else 2)  # the killed one's is gone, another folder's is not
    with written_together(folder, ["a"]) as (files, _):
        (files / "a").write_text("1")
    assert (folder / "a").read_text() == "1"
    assert living.poll() is None
    assert any(path.glob("files/a") for path in place.glob(".*.tmp"))
    living.kill()
    living.communicate()
