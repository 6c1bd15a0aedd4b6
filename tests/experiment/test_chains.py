import time

import pytest

from tests.experiment.simulated import write_example
from vbpi_mix.experiment import make_config
from vbpi_mix.experiment.chains import sample_start
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees


class Listening(Silent):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


@pytest.mark.parametrize(("n_taxa", "words"), [(6, "topologies are listed"), (20, "little time for so many taxa")])
def test_chains_that_had_no_time_say_nothing_of_flatness(tmp_path, n_taxa, words):
    path, trees = write_example(tmp_path, n_taxa)
    alignment, reporter = read_alignment(path), Listening()
    candidates = read_trees([trees], alignment.taxa)
    config = make_config(alignment=str(path), model="JC69")
    sample = sample_start(config, alignment, candidates, reporter, until=time.perf_counter() - 1.0)
    assert (sample is None) == (n_taxa == 6)
    assert any(words in text for text in reporter.messages)
    assert not any("effective topologies" in text for text in reporter.messages)
