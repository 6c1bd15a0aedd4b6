"""Summary of the whole tree on five taxa."""

import numpy as np
import pytest

from tests.analysis.five_taxa import EVERY, exact, fitted
from vbpi_mix.analysis.certainty import certainty


def test_the_whole_tree():
    posterior, (_, p) = fitted(), exact()
    whole = certainty(posterior)
    assert (whole.best.topology.children == EVERY.children[p.argmax()]).all()
    assert whole.sets[1].n_topologies == pytest.approx(
        1 + int(np.searchsorted(np.cumsum(np.sort(p)[::-1]), 0.95)), abs=1
    )
    entropy = -(p * np.log(p)).sum()
    assert whole.rogues.entropy == pytest.approx(entropy, abs=0.05)  # rooted clades of five taxa hardly constrain it
    assert "given the alignment x, the model JC69" in whole.paragraph()
    assert whole.to_dict()["most_probable"]["newick"].endswith(";")
