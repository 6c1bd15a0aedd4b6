import numpy as np
import pytest

from tests.evaluate.diagnostics.test_draws import by_key
from vbpi_mix.evaluate.diagnostics.agreement import agreement_diagnostics
from vbpi_mix.evaluate.diagnostics.diagnostic import worst
from vbpi_mix.evaluate.distances.splits import SplitTable, split_agreement
from vbpi_mix.phylo import clades


def test_agreement():
    def table(p):
        words = np.array([clades.from_taxa([1, 2], 5)])
        return SplitTable(taxa=tuple("abcde"), clades=words, frequency=np.array([p]))

    near = by_key(agreement_diagnostics(split_agreement([table(0.9), table(0.901)]), 0.01, [(-5, 0.01), (-5.01, 0.01)]))
    assert worst(near.values()) == "good"
    far = by_key(agreement_diagnostics(split_agreement([table(0.9), table(0.2)]), 0.7, [(-5, 0.01), (-6.0, 0.01)]))
    assert far["asdsf"].level == far["max_split_difference"].level == far["log_ml_spread"].level == "poor"
    assert far["log_ml_spread"].value == pytest.approx(1)
