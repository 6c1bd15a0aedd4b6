import numpy as np
import pytest
import torch

from tests.experiment.simulated import fitted_example, two_modes
from vbpi_mix.analysis.diagnose import diagnose
from vbpi_mix.evaluate.sampling import draw_weighted
from vbpi_mix.experiment import Silent, fit_alignment, make_config
from vbpi_mix.experiment.parameter_modes import ParameterCollector, model_at_mode, parameter_modes
from vbpi_mix.phylo import collect
from vbpi_mix.posterior import summarise_parameters


def test_batches_sum_up_to_what_all_draws_say():
    run = fitted_example(model="HKY+G4")
    collector = ParameterCollector(run.problem)
    run.evaluate(n_particles=300, n_repeats=2, use=collector.add)
    found, expected = collector.summary(), summarise_parameters(run.weighted_sample(n_particles=300, n_repeats=2).draws)
    assert found.names == expected.names
    for name in ("mean", "sd", "median", "low", "high", "effective_sample_size"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), err_msg=name)


def test_components_count_by_their_weight():
    run = fitted_example(model="HKY+G4")
    run.problem.mixture.set_component_weights(np.array([0.9, 0.1]))
    try:
        collector = ParameterCollector(run.problem)
        run.evaluate(n_particles=4000, n_repeats=1, use=collector.add)
        found, draws = collector.summary(), run.weighted_sample(n_particles=4000, n_repeats=1, seed=9).draws
    finally:
        run.problem.mixture.set_component_weights(None)
    expected = summarise_parameters(draws)
    error = expected.sd * np.sqrt(1 / found.effective_sample_size + 1 / expected.effective_sample_size)
    assert (np.abs(found.mean - expected.mean) < 5 * error).all()


def test_the_model_at_a_mode():
    """One component is far from the posterior: the mean over both would be half as far."""
    run = fitted_example(model="HKY+G4")
    generator = torch.Generator().manual_seed(1)
    location = run.problem.mixture.parameter_posterior.location
    kept = location.detach().clone()
    try:
        with torch.no_grad():
            location[0] += 8.0
        model = model_at_mode(run.problem, generator)
        batch = draw_weighted(run.problem, torch.tensor([0, 2000]), generator)
    finally:
        with torch.no_grad():
            location.copy_(kept)
    assert model.parameters.n_coordinates == 0
    mean = torch.softmax(batch.log_weights, dim=0) @ batch.trees.parameters
    lengths, topology = torch.full((1, 9), 0.1, dtype=torch.float64), batch.trees.encoded.topologies[[0]]
    expected = run.problem.model.log_likelihood(lengths, topology, mean[None])
    assert abs(float(model.log_likelihood(lengths, topology)[0]) - float(expected[0].detach())) < 0.5
    plain = fitted_example()
    assert model_at_mode(plain.problem, generator) is plain.problem.model


@pytest.mark.parametrize(("components", "tie", "lacks"), [(2, False, False), (1, False, True), (2, True, True)])
def test_a_mode_that_no_component_holds_is_told(components, tie, lacks):
    alignment, topology = two_modes()
    config = make_config(
        alignment="example",
        model="JC+I+G4",
        components=components,
        sampled=1,
        tie_parameters=tie,
        iterations=40,
        seed=3,
    )
    warnings = []

    class Listening(Silent):
        def warning(self, text):
            warnings.append(text)

    candidates = collect(alignment.taxa, topology.batch())
    run = fit_alignment(alignment, candidates, config, reporter=Listening())
    coverage = parameter_modes(run.problem, topology.batch(), np.full(7, 0.2))
    assert coverage.missing.tolist().count(True) == lacks
    assert coverage.shares.sum() == pytest.approx(1)
    assert any("another mode with about" in text for text in warnings) == lacks
    sample = run.weighted_sample(n_particles=200, n_repeats=2)
    found = {d.key: d for d in diagnose(run, sample, name="run", neighbours=False).diagnostics}
    judged = found["parameter_modes"]
    assert judged.level == ("poor" if lacks else "good")
    assert ("the mixture lacks one with" in judged.text) == lacks
    assert judged.value == pytest.approx(coverage.shares[coverage.missing].sum(), abs=0.05)


def test_without_gamma_and_invariant_sites_there_is_no_talk_of_modes():
    run = fitted_example(model="HKY+G4")
    sample = run.weighted_sample(n_particles=100, n_repeats=2)
    keys = {d.key for d in diagnose(run, sample, name="run", neighbours=False).diagnostics}
    assert "parameters" in keys
    assert "parameter_modes" not in keys
