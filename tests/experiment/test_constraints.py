"""Fits under constraints: support, candidates, evidence, against all topologies of five taxa."""

import numpy as np
import pytest

from tests.anneal.examples import conflicting_patterns, exact_conflicting
from vbpi_mix.experiment import fit_alignment, make_config
from vbpi_mix.experiment.candidates import conforming
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.io.constraint_files import parse_constraints
from vbpi_mix.phylo import Alignment, all_topologies, collect

Z = 4.7  # standard errors: one in 500,000 tests fails by chance
TAXA = tuple("abcde")
CASES = {
    "clade": ("((b,c),a,d,e);",),
    "no clade": ("not ((a,b),c,d,e);",),
    "backbone": ("((a,c),(b,e));",),
    "not a backbone": ("not ((a,b),(c,d));",),
    "not a tree": ("not ((a,b),(c,d),e);", "not ((a,b),(d,e),c);"),
    "several": ("((a,b),(c,d));", "not ((c,d),a,b,e);"),
}


@pytest.mark.parametrize("statements", CASES.values(), ids=CASES)
def test_evidence_and_topologies_under_constraints(statements):
    patterns = conflicting_patterns()
    alignment = Alignment(taxa=TAXA, state_sets=patterns.state_sets)
    every = all_topologies(5)
    allowed = parse_constraints(statements, TAXA).allows(every)
    log_ml, _ = exact_conflicting()
    total = np.logaddexp.reduce(log_ml[allowed])
    config = make_config(alignment="x", model="JC69", components=2, iterations=500, constraints=statements, seed=2)
    run = fit_alignment(alignment, collect(TAXA, every), config)
    sample = run.weighted_sample(n_particles=1000, n_repeats=20)
    estimate = sample.evaluation.log_ml_pooled
    expected = total + np.log(15) - np.log(allowed.sum())
    assert abs(estimate.value - expected) < Z * estimate.standard_error + 0.004  # the exact ones are known that well
    assert estimate.standard_error < 0.03
    position = np.array([_position(row, every) for row in sample.draws.topologies.children])
    for t in range(every.n_trees):
        here = position == t
        p, w = sample.weights[here].sum(), sample.weights
        expected = np.exp(log_ml[t] - total) if allowed[t] else 0.0
        assert abs(p - expected) < Z * np.sqrt((w**2 * (here - p) ** 2).sum()) + 0.002


def test_candidates_that_break_constraints_are_replaced():
    config = make_config(alignment="x", constraints=("((b,c),a,d,e);",))
    found = conforming(config, collect(TAXA, all_topologies(5)), Silent())
    assert found.n_trees == 3
    assert found.weights.sum() == 15


def test_a_path_and_its_text_give_the_same_settings(tmp_path):
    path = tmp_path / "c.nwk"
    path.write_text("((b,c),\na,d,e);\n")
    first, second = (make_config(alignment="x", constraints=c) for c in ([path], ["((b,c), a,d,e);"]))
    assert first.constraints == second.constraints


def _position(row, topologies):
    return next(i for i, other in enumerate(topologies.children) if np.array_equal(row, other))
