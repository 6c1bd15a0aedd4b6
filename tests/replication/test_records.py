import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.replication.records import make_folder, read_record, write_record

CONFIG = {"estimator": "s2a", "seed": 1, "rate": 0.001}


def test_a_record_comes_back_with_machine_and_commit(tmp_path):
    path = tmp_path / "a.json"
    written = write_record(path, CONFIG, {"bound": -1.25})
    assert read_record(path, CONFIG) == written
    assert written["result"] == {"bound": -1.25}
    assert {"time", "processor", "commit", "packages"} <= written["provenance"].keys()
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_no_file_is_no_record(tmp_path):
    assert read_record(tmp_path / "absent.json", CONFIG) is None


def test_another_configuration_is_refused(tmp_path):
    path = tmp_path / "a.json"
    write_record(path, CONFIG, {})
    with pytest.raises(InputError, match=r"a\.json .*seed = 1, .* 2"):
        read_record(path, {**CONFIG, "seed": 2})
    with pytest.raises(InputError, match=r"rate = 0\.001, .* None"):
        read_record(path, {k: v for k, v in CONFIG.items() if k != "rate"})


@pytest.mark.parametrize("content", ["", "[]", '{"config": {}}', "{"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match="delete it"):
        read_record(path, CONFIG)


def test_numbers_that_json_lacks_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_record(tmp_path / "a.json", CONFIG, {"bound": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="-o"):
        make_folder(tmp_path / "file" / "folder")
