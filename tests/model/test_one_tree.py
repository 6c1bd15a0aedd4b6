"""An alignment, a Newick string, a model string."""

import numpy as np
import pytest

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.model import log_likelihood

MODEL = "HKY{2.0}+F{0.3,0.2,0.2,0.3}+G4{0.5}"
TREE = "((a:{0},b:0.2):0.05,(c:0.3,d:0.15):0.02,e:0.4);"


@pytest.fixture
def alignment(tmp_path):
    path = tmp_path / "five.fasta"
    path.write_text(">a\nACGTAC\n>b\nACGTTC\n>c\nACCTAR\n>d\nAACTAC\n>e\nGCGT-C\n")
    return read_alignment(path)


def test_value_and_gradient(alignment):
    found = log_likelihood(alignment, TREE.format("0.1"), MODEL)
    step = 1e-6
    up, down = (log_likelihood(alignment, TREE.format(0.1 + s), MODEL).log_likelihood for s in (step, -step))
    edge = int(np.flatnonzero(found.branch_lengths == 0.1)[0])
    assert found.gradient[edge] == pytest.approx((up - down) / (2 * step), rel=1e-6)
    assert found.gradient.shape == found.branch_lengths.shape == (7,)


def test_where_the_root_is_does_not_matter(alignment):
    rooted = "(((a:0.1,b:0.2):0.05,e:0.4):0.01,(c:0.3,d:0.15):0.01);"
    ours, expected = (log_likelihood(alignment, text, MODEL).log_likelihood for text in (rooted, TREE.format("0.1")))
    assert ours == pytest.approx(expected, rel=1e-13)


def test_impossible(alignment):
    found = log_likelihood(alignment, "((a:0,b:0):0,(c:0,d:0):0,e:0);")
    assert found.log_likelihood == -np.inf
    assert not found.gradient.any()


@pytest.mark.parametrize(
    ("tree", "model", "error", "message"),
    [
        ("((a,b),(c,d),e);", "JC69", InputError, "no branch lengths"),
        ("((a:1,b:1):1,(c:1,x:1):1,e:1);", "JC69", InputError, "x"),
        (TREE.format("0.1"), "HKY{2,}", ConfigError, "HKY"),
    ],
)
def test_refused(alignment, tree, model, error, message):
    with pytest.raises(error, match=message):
        log_likelihood(alignment, tree, model)
