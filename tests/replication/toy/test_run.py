"""The toy benchmark from start to pictures, at a length of seconds."""

import csv
import json
import os
import signal
import statistics
from functools import partial

import pytest
from matplotlib.image import imread

from vbpi_mix.errors import InputError
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.replication.toy import run as toy_run
from vbpi_mix.replication.toy.config import make_toy_config
from vbpi_mix.replication.toy.run import run_toy
from vbpi_mix.replication.toy.timing import CASES, time_rows

ROWS = ["s2a:1:3", "a2a:2:2", "s2s:2:5"]


@pytest.fixture(scope="module", autouse=True)
def short_timing():
    patch = pytest.MonkeyPatch()
    patch.setattr(toy_run, "time_rows", partial(time_rows, n_rounds=2, cases=[{**case, "steps": 3} for case in CASES]))
    yield
    patch.undo()


def config_of(rows=ROWS, iterations=40, n_seeds=2, **other):
    return make_toy_config(scale="small", rows=rows, iterations=iterations, n_seeds=n_seeds, **other)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "results"
    return config_of(), folder, run_toy(config_of(), folder)


def results(folder):
    """Everything reproducible in the records: all but clocks and machine."""
    clocks = ("seconds", "processor_seconds")
    return {
        path.name: {k: v for k, v in json.loads(path.read_text())["result"].items() if k not in clocks}
        for path in sorted((folder / "models").iterdir())
    }


def test_files(finished):
    _, folder, outcome = finished
    assert outcome.signal_number is None
    assert all(path.is_file() for path in outcome.files)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {path.relative_to(folder).as_posix() for path in outcome.files} == found
    assert {"models/s2a_1_3_seed2.json", "timings.json", "toy.csv", "toy.md", "figure_03.png", "figure_08.png"} <= found
    assert {"latent_s2a_1_3.png", "figure_10_s2s_2_5.png"} & found == {"latent_s2a_1_3.png", "figure_10_s2s_2_5.png"}


def test_records_say_what_and_where(finished):
    _, folder, _ = finished
    record = json.loads((folder / "models" / "s2a_1_3_seed2.json").read_text())
    assert record["config"]["estimator"] == "s2a"
    assert (record["config"]["seed"], record["config"]["iterations"]) == (2, 40)
    assert {"commit", "processor", "packages"} <= record["provenance"].keys()
    assert record["result"]["seconds"] > 0
    assert len(record["result"]["means"]) == 3
    curve = record["result"]["curve"]
    assert (curve[0]["iteration"], curve[-1]["iteration"]) == (0, 40)
    assert curve[-1]["bound"] > curve[0]["bound"]


def test_tables(finished):
    config, folder, outcome = finished
    with (folder / "toy.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 6
    for line in lines:
        assert float(line["gap"]) == pytest.approx(float(line["log_evidence"]) - float(line["bound"]), abs=2e-6)
        assert float(line["gap"]) > 0
    text = (folder / "toy.md").read_text()
    assert text.startswith("# Toy: not the paper's length: 40 iterations")
    mean = statistics.mean(outcome.tables.gaps(config.rows[0]))
    assert f"| S2A S=1 A=3 | {outcome.tables.exact.log_evidence - mean:.4f} | {mean:.4f} (" in text
    assert "What the paper compares" not in text  # none of its pairs was trained


def test_the_papers_comparisons(tmp_path):
    run_toy(config_of(["s2a:2:5", "a2a:5:5"], 10), tmp_path)
    text = (tmp_path / "toy.md").read_text()
    assert "| S2A S=2 A=5 | A2A S=5 A=5 | the same bound in a fraction of the time |" in text


def test_pictures_are_pictures(finished):
    _, folder, _ = finished
    for path in folder.glob("*.png"):
        image = imread(path)
        assert min(image.shape[:2]) > 500
        assert image[..., :3].std() > 0.05


def test_a_second_call_trains_and_times_nothing(finished, monkeypatch):
    config, folder, _ = finished
    before = {path: path.read_bytes() for path in [*(folder / "models").iterdir(), folder / "timings.json"]}
    monkeypatch.setattr("vbpi_mix.replication.toy.run.train_toy", None)
    monkeypatch.setattr("vbpi_mix.replication.toy.run.time_rows", None)
    run_toy(config, folder)
    assert before == {path: path.read_bytes() for path in before}


def test_an_interrupted_call_goes_on_to_equal_results(finished, tmp_path):
    config, folder, _ = finished

    class Interrupts(Silent):
        def progress(self, stage, done, total, detail=""):  # noqa: ARG002
            if stage.startswith("S2S") and done == 20:
                os.kill(os.getpid(), signal.SIGTERM)

    outcome = run_toy(config, tmp_path, reporter=Interrupts())
    assert (outcome.tables, outcome.signal_number) == (None, signal.SIGTERM)
    assert [path.name for path in outcome.files] == ["s2a_1_3_seed1.json", "a2a_2_2_seed1.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]
    run_toy(config, tmp_path, only_train=True)
    assert results(tmp_path) == results(folder)


def test_rows_trained_apart_are_equal(finished, tmp_path):
    _, folder, _ = finished
    for row in ROWS:
        run_toy(config_of([row]), tmp_path, only_train=True)
    assert results(tmp_path) == results(folder)


def test_other_settings_in_the_same_folder(finished):
    _, folder, _ = finished
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match=r"iterations = 40, .* 41"):
        run_toy(config_of(iterations=41), folder)
    with pytest.raises(InputError, match=r"timings\.json was made with rows"):
        run_toy(config_of(ROWS[:2]), folder)
    assert sorted(folder.rglob("*")) == before
