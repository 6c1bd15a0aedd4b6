import json
import math

from tests.anneal.test_result import posterior
from vbpi_mix.anneal.convergence import Convergence, Scalar
from vbpi_mix.anneal.result import FROM_CANDIDATES
from vbpi_mix.evaluate.annealing import evaluate_annealing


def converging(*sizes):
    scalars = tuple(Scalar(name=str(i), r_hat=1.0, effective_size=size) for i, size in enumerate(sizes))
    return Convergence(asdsf=0.01, largest=0.1, n_splits=3, scalars=scalars)


def test_numbers_of_groups():
    found = evaluate_annealing(posterior([0, 1, 2], [0, 1, 1], convergence=converging(70.0, 30.0)))
    assert found.effective_size == 30.0
    assert (found.n_trees, found.n_groups, found.n_particles, found.n_temperatures) == (3, 2, 8, 3)
    assert found.ancestors_left == 5.5 / 8
    assert not found.both_sides
    assert found.log_ml.value == posterior([0], [0]).log_ml[0]


def test_numbers_of_chains_alone():
    chains = posterior(
        [0, 1], [0, 1], FROM_CANDIDATES, group_log_ml=(), betas=(), n_particles=0, n_ancestors=(), converged=False
    )
    found = evaluate_annealing(chains)
    assert math.isnan(found.log_ml.value)
    assert math.isnan(found.ancestors_left)
    assert found.effective_size == 2.0  # not known: as many as there are
    as_read = json.loads(json.dumps(found.to_dict(), allow_nan=True))
    assert (as_read["log_ml"], as_read["log_ml_se"], as_read["ancestors_left"]) == (None, None, None)
    assert (as_read["n_groups"], as_read["converged"]) == (0, False)
