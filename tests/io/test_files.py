import gzip

import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import atomic_write, open_text, read_chunks, read_text


def test_atomic_write_replaces_the_file_only_at_the_end(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with atomic_write(path) as file:
        file.write("neu ä\n")
        assert path.read_text() == "old"
    assert path.read_bytes() == "neu ä\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_leaves_nothing_behind_after_an_error(tmp_path):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")

    def interrupted():
        with atomic_write(path, "wb") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_gives_the_permissions_of_an_ordinary_file(tmp_path):
    (tmp_path / "plain").write_text("")
    with atomic_write(tmp_path / "atomic") as file:
        file.write("")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_atomic_write_into_an_absent_folder_or_over_a_folder(tmp_path):
    with (
        pytest.raises(InputError, match=r"cannot write .*absent/out\.txt"),
        atomic_write(tmp_path / "absent" / "out.txt"),
    ):
        pytest.fail("the block must not run")
    with pytest.raises(InputError, match="it is a folder"), atomic_write(tmp_path):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("packed", [False, True])
def test_text_is_read_whatever_the_name_says(tmp_path, packed):
    text = "\ufeffÅsa\r\nb\rc\n"
    data = text.encode()
    path = tmp_path / ("plain.txt" if packed else "misleading.gz")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert read_text(path) == "Åsa\nb\nc\n"
    assert b"".join(read_chunks(path, size=4)) == data.removeprefix("\ufeff".encode())
    with open_text(path) as file:
        assert next(file) == "Åsa\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"abc\x00def", "is not a text file"),
        ("abc".encode("utf-16"), "is not a text file"),
        (b"abc\xff\xfe", "is not UTF-8 text"),
        (gzip.compress(b"abcdefgh" * 1000, mtime=0)[:-12], "gzip data is damaged"),
        (b"\x1f\x8b\x08garbage", "gzip data is damaged"),
    ],
)
def test_what_is_no_text_file_is_named(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_text(path)
    assert str(path) in str(caught.value)


def test_absent_files_and_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.txt: .*no such file"):
        read_text(tmp_path / "nothing.txt")
    with pytest.raises(InputError, match="is a folder"):
        read_text(tmp_path)
