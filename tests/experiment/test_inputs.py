import numpy as np

from vbpi_mix.experiment.build import load_alignment
from vbpi_mix.experiment.inputs import write_equal_sequences
from vbpi_mix.experiment.recipes import make_config
from vbpi_mix.experiment.reporter import Silent


class Listening(Silent):
    def __init__(self):
        self.lines = []

    def warning(self, text):
        self.lines.append(text)


def test_equal_sequences_are_one_warning_and_a_file(tmp_path):
    fasta = tmp_path / "x.fasta"
    fasta.write_text(">a\nACGT\n>b\nACGT\n>c\nACGA\n>d\nACGT\n>e\nTTTT\n")
    listening = Listening()
    alignment = load_alignment(make_config(alignment=str(fasta)), listening)
    assert listening.lines == ["'b' has the same sequence as 'a' (and 1 more taxa like it); all are kept"]
    write_equal_sequences(tmp_path / "equal.tsv", alignment)
    assert np.loadtxt(tmp_path / "equal.tsv", dtype=str).tolist() == [["taxon", "same_as"], ["b", "a"], ["d", "a"]]
