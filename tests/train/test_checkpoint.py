import pytest
import torch

from vbpi_mix.errors import CheckpointError
from vbpi_mix.train.checkpoint import FORMAT_VERSION, add_to_checkpoint, load_checkpoint, save_checkpoint

CONTENT = {"model": {"a": torch.tensor([1.0, float("nan")], dtype=torch.float64)}, "iteration": 3}


def test_a_file_gives_back_what_was_saved_and_replaces_the_one_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"iteration": 1})
    save_checkpoint(path, CONTENT)
    loaded = load_checkpoint(path)
    assert (loaded["iteration"], loaded["format_version"]) == (3, FORMAT_VERSION)
    torch.testing.assert_close(loaded["model"]["a"], CONTENT["model"]["a"], rtol=0, atol=0, equal_nan=True)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_without_its_checksum_is_damaged(tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save({"format_version": FORMAT_VERSION, **CONTENT}, path)
    with pytest.raises(CheckpointError, match="checksum"):
        load_checkpoint(path)
    torch.save({"format_version": 4, **CONTENT}, path)  # the last format that had none
    assert load_checkpoint(path)["iteration"] == 3


@pytest.mark.parametrize("version", [1, FORMAT_VERSION + 1])
def test_other_formats_are_refused_by_number(tmp_path, version):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {**CONTENT, "format_version": version})
    with pytest.raises(CheckpointError, match=f"format {version}"):
        load_checkpoint(path)


def test_a_checkpoint_of_another_run_is_refused_by_what_differs(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {**CONTENT, "identity": {"taxa": "a", "support": "b"}})
    assert load_checkpoint(path, identity={"taxa": "a"})["iteration"] == 3
    with pytest.raises(CheckpointError, match="support is b, here it is c"):
        load_checkpoint(path, identity={"taxa": "a", "support": "c"})


def test_what_is_added_replaces_what_was_added_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, CONTENT)
    add_to_checkpoint(path, {"one": 1})
    add_to_checkpoint(path, {"two": 2})
    loaded = load_checkpoint(path)
    assert loaded["after"] == {"two": 2}
    assert loaded["iteration"] == 3
