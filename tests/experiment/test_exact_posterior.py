"""The whole path on four taxa, where posterior and evidence are known from quadrature."""

import numpy as np
import pytest

from tests.oracles.quartet import quartet_alignment, quartet_posterior
from vbpi_mix.analysis.posteriors import log_q_topologies
from vbpi_mix.experiment import fit_alignment, make_config
from vbpi_mix.phylo import all_topologies, collect

# of a comparison of Monte Carlo estimates with exact values, in standard errors: one in 500,000 tests fails by chance
Z = 4.7


@pytest.mark.parametrize(
    ("components", "sampled", "estimator", "recipe", "weights"),
    [
        (1, 1, "a2a", "default", None),
        (2, 2, "a2a", "default", None),
        (3, 1, "s2a", "default", None),
        (3, 1, "s2a", "default", [0.7, 0.05, 0.25]),
        (3, 2, "s2s", "paper", None),
    ],
)
def test_trained_mixtures_agree_with_quadrature(components, sampled, estimator, recipe, weights):
    alignment = quartet_alignment()
    exact = quartet_posterior(alignment.state_sets)
    topologies = all_topologies(4)
    paper = {"annealing_iterations": 500, "rate_topology": 0.01, "rate_base": 0.005} if recipe == "paper" else {}
    config = make_config(
        alignment="quartet",
        recipe=recipe,
        model="JC69",
        components=components,
        sampled=sampled,
        estimator=estimator,
        iterations=2000,
        decay_every=200,
        seed=3,
        **paper,
    )
    run = fit_alignment(alignment, collect(alignment.taxa, topologies), config)
    if weights is not None:
        run.problem.mixture.set_component_weights(np.array(weights))
    sample = run.weighted_sample(n_particles=1000, n_repeats=20)
    draws, evaluation = sample.draws, sample.evaluation

    # the evidence, and the order of the bounds below it
    pooled = evaluation.log_ml_pooled
    assert evaluation.pareto_k < 0.7
    assert abs(pooled.value - exact.log_evidence) < Z * pooled.standard_error + exact.error
    assert pooled.standard_error < 0.02
    assert evaluation.elbo.value < exact.log_evidence
    if recipe == "default":  # the published start leaves rare draws of very long branches after so few steps
        assert evaluation.elbo.value > exact.log_evidence - 0.5
    left = 0.05 if recipe == "default" else 0.15  # what this short training may leave, in nats and in total variation
    assert exact.log_evidence - 3 * left < evaluation.lb10.value < exact.log_evidence

    # q itself: the topologies' probabilities under the mixture
    position = np.array([_position(row, topologies) for row in draws.topologies.children])
    counts = np.bincount(position, minlength=3) / len(position)
    of_q = np.exp(log_q_topologies(run, topologies))
    assert of_q.sum() == pytest.approx(1)
    assert np.abs(counts - of_q).max() < Z * 0.5 / np.sqrt(len(position))
    assert 0.5 * np.abs(counts - exact.probabilities).sum() < left

    # importance-weighted: topologies and mean branch lengths within their standard errors
    weights = draws.weights()
    for t in range(3):
        here = position == t
        p = weights[here].sum()
        error = np.sqrt((weights**2 * (here - p) ** 2).sum())
        assert abs(p - exact.probabilities[t]) < Z * error + 1e-6
        share = weights[here] / p
        mean = share @ draws.branch_lengths[here]
        mean_error = np.sqrt(((share[:, None] * (draws.branch_lengths[here] - mean)) ** 2).sum(axis=0))
        assert (np.abs(mean - exact.mean_branch_lengths[t]) < Z * mean_error + 1e-6).all()


def _position(row, topologies):
    return next(i for i, other in enumerate(topologies.children) if np.array_equal(row, other))
