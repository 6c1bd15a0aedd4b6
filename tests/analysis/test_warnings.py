import json

import numpy as np
import pytest

from tests.experiment.simulated import write_example
from vbpi_mix.analysis import summarise
from vbpi_mix.analysis.warnings import caution
from vbpi_mix.errors import CheckpointError
from vbpi_mix.evaluate import evaluate_log_weights
from vbpi_mix.experiment import Silent, fit_folder, make_config


@pytest.fixture
def run(tmp_path):
    alignment, trees = write_example(tmp_path)
    settings = {"model": "JC69", "iterations": 20, "components": 2, "particles": 2}
    return fit_folder(make_config(alignment=str(alignment), trees=(str(trees),), **settings), tmp_path / "run")[0]


def weights(heavy):
    draws = np.random.default_rng(1).pareto(0.7 if heavy else 50.0, size=(4, 2, 1000)) + 1.0
    return evaluate_log_weights(np.log(draws))


def test_good_weights_need_no_word(run):
    assert caution(run, weights(heavy=False)) is None


def test_what_is_wrong_is_said_in_one_line(run):
    said = caution(run, weights(heavy=True))
    assert said is not None
    assert "a few draws dominate (Pareto k 1." in said
    assert "above 0.70" in said
    assert "still new" not in said
    run.folder.growth.write_text(json.dumps({"missing_mass": 0.08}))
    both = caution(run, weights(heavy=True))
    assert "about 8% of the posterior was still new" in both
    assert "\n" not in both
    assert caution(run, weights(heavy=False)).startswith("about 8%")
    run.folder.growth.write_text(json.dumps({"missing_mass": 0.4, "standard_error": 0.004}))
    assert caution(run, weights(heavy=False)) is None  # flat, and well sampled
    run.folder.growth.write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        caution(run, weights(heavy=False))


def test_fit_says_it_and_keeps_it(run):
    class Listening(Silent):
        said = ""

        def warning(self, text):
            self.said = text

    run.folder.growth.write_text(json.dumps({"missing_mass": 0.5}))
    listening = Listening()
    summarise(run, reporter=listening)
    saved = json.loads(run.folder.evaluation.read_text())
    assert "about 50% of the posterior was still new" in saved["warning"] == listening.said
    run.folder.growth.unlink()
    summarise(run)
    assert "still new" not in (json.loads(run.folder.evaluation.read_text())["warning"] or "")
