import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from tests.experiment.simulated import write_example
from vbpi_mix.estimators import all_components
from vbpi_mix.evaluate.diagnostics.components import component_diversity, component_shares
from vbpi_mix.experiment import fit_alignment, make_config
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees


def test_shares_are_sums_of_weights():
    shares = component_shares(np.array([1.0, 2.0, 3.0, 2.0]), np.array([0, 2, 2, 0]), 3)
    assert shares == pytest.approx([3 / 8, 0, 5 / 8])


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    alignment_path, trees = write_example(tmp_path_factory.mktemp("diversity"))
    alignment = read_alignment(alignment_path)
    config = make_config(alignment=str(alignment_path), model="JC69", components=3, sampled=1, iterations=2)
    return fit_alignment(alignment, read_trees([trees], alignment.taxa), config).problem


def test_equal_components_and_disjoint_ones(problem):
    with torch.no_grad():
        table = problem.mixture.branches.base.table
        logits = problem.mixture.networks.logits
        for parameter in (table, logits):
            parameter.copy_(parameter[:1].expand_as(parameter).clone())
    generator = torch.Generator().manual_seed(1)
    same = component_diversity(problem, n_particles=50, generator=generator)
    assert same.divergence == pytest.approx(0, abs=1e-9)
    assert same.effective_number == pytest.approx(1)
    with torch.no_grad():  # the first feature of a length is its mean: move each component far away
        for a in range(3):
            table[a, :, 0] += 40.0 * a
    far = component_diversity(problem, n_particles=50, generator=generator)
    assert far.effective_number == pytest.approx(3, rel=1e-6)


def test_divergence_of_weighted_components(problem):
    mixture, weights = problem.mixture, np.array([0.5, 0.2, 0.3])
    mixture.set_component_weights(weights)
    try:
        found = component_diversity(problem, n_particles=400, generator=torch.Generator().manual_seed(2))
        draws = mixture.draw(all_components(3), 400, torch.Generator().manual_seed(2))
        log_q = draws.log_q.detach().numpy()
    finally:
        mixture.set_component_weights(None)
    excess = log_q[draws.component_of_tree, np.arange(1200)] - logsumexp(log_q, b=weights[:, None], axis=0)
    expected = weights @ excess.reshape(3, 400).mean(axis=1)
    entropy = -(weights @ np.log(weights))
    assert found.divergence == pytest.approx(min(max(expected, 0), entropy), rel=1e-9)
    assert found.effective_number <= np.exp(entropy) * (1 + 1e-12)
