"""The probability of one topology against importance sampling from its mode."""

import math

import numpy as np
import pytest

from tests.analysis.five_taxa import EVERY, Z, exact, fitted
from vbpi_mix.evaluate.topology_evidence import laplace_log_ratio, log_topology_evidence
from vbpi_mix.seeding import torch_generator


def test_topologies_by_integrating_over_their_lengths():
    posterior, (log_ml, p) = fitted(), exact()
    for i in range(EVERY.n_trees):
        found = log_topology_evidence(posterior.run.problem, EVERY[[i]], torch_generator(3))
        if found is not None:
            assert abs(found.value - log_ml[i]) < Z * found.standard_error + 0.03
    best = int(p.argmax())
    others = np.flatnonzero(np.arange(15) != best)
    ratio = laplace_log_ratio(posterior.run.problem.model, EVERY[[best]], EVERY[others])
    assert ratio == pytest.approx(math.log(p[best] / (1 - p[best])), abs=0.4)
