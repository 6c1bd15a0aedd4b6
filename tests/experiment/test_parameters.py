import numpy as np
import torch

from tests.experiment.simulated import fitted_example
from vbpi_mix.experiment.parameters import ParameterCollector, model_at_mean
from vbpi_mix.posterior import summarise_parameters


def test_batches_sum_up_to_what_all_draws_say():
    run = fitted_example(model="HKY+G4")
    collector = ParameterCollector(run.problem)
    run.evaluate(n_particles=300, n_repeats=2, use=collector.add)
    found, expected = collector.summary(), summarise_parameters(run.weighted_draws(n_particles=300, n_repeats=2)[0])
    assert found.names == expected.names
    for name in ("mean", "sd", "median", "low", "high", "effective_sample_size"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), err_msg=name)


def test_components_count_by_their_weight():
    run = fitted_example(model="HKY+G4")
    run.problem.mixture.set_component_weights(np.array([0.9, 0.1]))
    try:
        collector = ParameterCollector(run.problem)
        run.evaluate(n_particles=4000, n_repeats=1, use=collector.add)
        found, draws = collector.summary(), run.weighted_draws(n_particles=4000, n_repeats=1, seed=9)[0]
    finally:
        run.problem.mixture.set_component_weights(None)
    expected = summarise_parameters(draws)
    error = expected.sd * np.sqrt(1 / found.effective_sample_size + 1 / expected.effective_sample_size)
    assert (np.abs(found.mean - expected.mean) < 5 * error).all()


def test_the_model_at_the_mean_of_its_parameters():
    run = fitted_example(model="HKY+G4")
    model = model_at_mean(run)
    assert model.parameters.n_coordinates == 0
    draws = run.weighted_draws(n_particles=1000, n_repeats=1)[0]
    lengths, topologies = torch.from_numpy(draws.branch_lengths[:1]), draws.topologies[:1]
    fixed = float(model.log_likelihood(lengths, topologies)[0])
    assert np.isfinite(fixed)
    plain = fitted_example()
    assert model_at_mean(plain) is plain.problem.model
