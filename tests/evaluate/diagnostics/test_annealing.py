import math
from dataclasses import replace

import pytest

from vbpi_mix.anneal.convergence import Convergence, Scalar
from vbpi_mix.evaluate.annealing import AnnealingEvaluation
from vbpi_mix.evaluate.diagnostics import thresholds
from vbpi_mix.evaluate.diagnostics.annealing import annealing_diagnostics
from vbpi_mix.evaluate.estimates import Estimate

SCALARS = (
    Scalar(name="log joint density", r_hat=1.01, effective_size=900.0),
    Scalar(name="tree length", r_hat=1.03, effective_size=700.0),
)
GOOD = AnnealingEvaluation(
    log_ml=Estimate(value=-5000.0, standard_error=0.1),
    n_trees=1000,
    effective_size=700.0,
    n_groups=4,
    bridged=False,
    n_particles=50,
    n_temperatures=20,
    ancestors_left=0.4,
    convergence=Convergence(asdsf=0.004, largest=0.02, n_splits=30, scalars=SCALARS, error=0.01),
    converged=True,
    both_sides=True,
)


def levels(annealing):
    return {d.key: d.level for d in annealing_diagnostics(annealing)}


def changed(key, value):
    """The evaluation with the number behind one diagnostic changed."""
    scalar = Scalar(name="tree length", r_hat=value, effective_size=700.0)
    return {
        "annealed_log_ml": lambda: replace(GOOD, log_ml=Estimate(value=-5000.0, standard_error=value)),
        "sides_asdsf": lambda: replace(GOOD, convergence=replace(GOOD.convergence, asdsf=value)),
        "sides_largest_difference": lambda: replace(GOOD, convergence=replace(GOOD.convergence, largest=value)),
        "split_error": lambda: replace(GOOD, convergence=replace(GOOD.convergence, error=value)),
        "r_hat": lambda: replace(GOOD, convergence=replace(GOOD.convergence, scalars=(*SCALARS, scalar))),
        "effective_size": lambda: replace(GOOD, effective_size=value),
        "ancestors_left": lambda: replace(GOOD, ancestors_left=value),
    }[key]()


@pytest.mark.parametrize(
    ("key", "limits"),
    [
        ("annealed_log_ml", thresholds.ANNEALED_LOG_ML_ERROR),
        ("sides_asdsf", thresholds.ASDSF),
        ("sides_largest_difference", thresholds.SPLIT_DIFFERENCE),
        ("split_error", thresholds.SPLIT_ERROR),
        ("r_hat", thresholds.R_HAT),
        ("effective_size", thresholds.CHAIN_DRAWS),
        ("ancestors_left", thresholds.ANCESTORS_LEFT),
    ],
)
def test_both_sides_of_each_limit(key, limits):
    worse = math.inf if limits.good < limits.fair else -math.inf
    for value, level in [
        (limits.good, "good"),
        (math.nextafter(limits.good, worse), "fair"),
        (limits.fair, "fair"),
        (math.nextafter(limits.fair, worse), "poor"),
        (math.nan, "poor"),
    ]:
        if key in ("r_hat", "split_error") and math.isnan(value):
            continue  # the largest of several has no order with NaN; an error that is not known is left out
        found = levels(changed(key, value))
        assert found.pop(key) == level
        assert set(found.values()) == {"good"}


def test_chains_alone_say_nothing_of_the_marginal_likelihood():
    alone = replace(GOOD, n_groups=0, log_ml=Estimate(value=math.nan, standard_error=math.nan), ancestors_left=math.nan)
    assert levels(alone) == {
        "sides_asdsf": "good", "sides_largest_difference": "good", "split_error": "good", "r_hat": "good",
        "effective_size": "good",
    }  # fmt: skip
    assert alone.to_dict()["log_ml"] is None


def test_a_posterior_kept_before_errors_were_estimated_says_nothing_of_them():
    older = replace(GOOD, convergence=replace(GOOD.convergence, error=math.nan))
    assert set(levels(GOOD)) - set(levels(older)) == {"split_error"}
    assert set(levels(older).values()) == {"good"}


def test_the_worst_scalar_is_named():
    (r_hat,) = (d for d in annealing_diagnostics(GOOD) if d.key == "r_hat")
    assert (r_hat.value, r_hat.text) == (1.03, "1.030 (tree length)")
