import math
import time

from tests.experiment.simulated import write_example
from vbpi_mix.experiment import Deadlines, Run, fit_folder, make_config
from vbpi_mix.experiment.reporter import Silent


class Listening(Silent):
    def __init__(self):
        self.lines = []

    def warning(self, text):
        self.lines.append(text)

    message = warning


def test_stages_end_one_after_the_other():
    deadlines = Deadlines(begun=100.0, seconds=200.0)
    ends = [deadlines.until(stage) for stage in ("candidates", "start", "training", "annealing", "evaluation")]
    assert ends == sorted(ends)
    assert ends[0] > 100.0
    assert ends[-1] < 300.0
    assert deadlines.left("candidates") == 0.0
    assert Deadlines.from_now(None).until("training") is None
    assert "200 s" in deadlines.describe()


def test_a_fit_without_time_ends_with_what_it_has(tmp_path):
    alignment, _ = write_example(tmp_path, 8, 300)
    config = make_config(alignment=str(alignment), model="JC69", bootstrap_replicates=400, finish="importance", seed=2)
    listening = Listening()
    past = Deadlines(begun=time.perf_counter() - 10.0, seconds=5.0)
    _, result = fit_folder(config, tmp_path / "run", deadlines=past, reporter=listening)
    assert result.ending == "time"
    text = " ".join(listening.lines)
    for words in ("time is up for candidates", "the search for topologies ends", "time is up for training"):
        assert words in text
    run = Run.load(tmp_path / "run")
    assert run.folder.read_growth()["complete"] == 0
    assert math.isfinite(run.evaluate(n_repeats=2).log_ml_pooled.value)
