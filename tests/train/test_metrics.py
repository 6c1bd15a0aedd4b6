import json

import pytest

from vbpi_mix.train.metrics import MetricsFile, read_metrics


@pytest.fixture
def path(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    metrics.begin(last_iteration=0)
    for iteration in (100, 200, 300):
        metrics.append({"iteration": iteration, "bound": -1.5 * iteration})
    return metrics.path


def iterations(path):
    return [record["iteration"] for record in read_metrics(path)]


@pytest.mark.parametrize(
    ("last", "left"), [(0, []), (99, []), (200, [100, 200]), (250, [100, 200]), (900, [100, 200, 300])]
)
def test_a_resumed_run_keeps_the_lines_up_to_its_checkpoint(path, last, left):
    before = path.read_text().splitlines()
    MetricsFile(path).begin(last_iteration=last)
    assert path.read_text().splitlines() == before[: len(left)]
    assert iterations(path) == left


@pytest.mark.parametrize("damage", ['{"iteration": 25', "[1, 2]", '{"bound": 1}', "\ufffd"])
def test_a_line_cut_short_goes_with_all_that_follows(path, damage):
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], damage, *lines[1:]]) + "\n")
    MetricsFile(path).begin(last_iteration=300)
    assert iterations(path) == [100]
    MetricsFile(path).append({"iteration": 150})
    assert json.loads(path.read_text().splitlines()[-1]) == {"iteration": 150}


def test_a_run_without_a_file_begins_one(tmp_path):
    MetricsFile(tmp_path / "new.jsonl").begin(last_iteration=50)
    assert read_metrics(tmp_path / "new.jsonl") == []
