"""Lewis's correction: by enumeration of all data, and its Hessian."""

from itertools import product

import numpy as np
import pytest
import torch

from vbpi_mix.errors import InputError
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.ascertainment import check_columns, invariable_patterns
from vbpi_mix.model.site_scores import site_log_likelihoods
from vbpi_mix.phylo import DNA, Alignment, SitePatterns, random_topologies, standard

N = 5


def every_pattern(data_type):
    columns = np.array(list(product([1 << i for i in range(data_type.n_states)], repeat=N)), dtype=data_type.dtype).T
    patterns = SitePatterns(state_sets=columns, weights=np.ones(columns.shape[1]), data_type=data_type)
    varies = ~invariable_patterns(patterns)
    return SitePatterns(state_sets=np.ascontiguousarray(columns[:, varies]), weights=np.ones(varies.sum()),
                        data_type=data_type)  # fmt: skip


@pytest.mark.parametrize(
    ("data_type", "text"),
    [(standard(2), "MK+ASC"), (standard(3), "MK+G4{0.5}+ASC"), (standard(2), "GTR2+F{0.3,0.7}+ASC"),
     (DNA, "HKY{2}+F{0.1,0.2,0.3,0.4}+G4{0.5}+ASC")],
)  # fmt: skip
def test_probabilities_of_all_sites_that_vary_sum_to_one(data_type, text):
    patterns = every_pattern(data_type)
    model = PhyloModel(patterns, N, substitution_model=text)
    topologies = random_topologies(2, N, np.random.default_rng(1))
    lengths = np.random.default_rng(2).exponential(0.3, (2, topologies.n_edges))
    sites = site_log_likelihoods(model, lengths, topologies)
    np.testing.assert_allclose(np.exp(sites) @ model.pattern_weights, 1.0, rtol=1e-11)
    whole = model.log_likelihood(torch.from_numpy(lengths), topologies).numpy()
    np.testing.assert_allclose(sites @ model.pattern_weights, whole, rtol=1e-11)


@pytest.mark.parametrize(("data_type", "text"), [(standard(3), "MK+ASC"), (DNA, "HKY{2}+FQ+G4{0.5}+ASC")])
def test_gradient_and_hessian_are_derivatives_of_the_value(data_type, text):
    patterns = every_pattern(data_type)
    model = PhyloModel(patterns, N, substitution_model=text)
    topologies = random_topologies(1, N, np.random.default_rng(1))
    lengths = torch.from_numpy(np.random.default_rng(2).exponential(0.3, (1, topologies.n_edges)) + 0.05)

    def gradient(at):
        leaf = at.clone().requires_grad_()
        (found,) = torch.autograd.grad(model.log_likelihood(leaf, topologies).sum(), leaf)
        return found[0]

    hessian = model.hessian(lengths, topologies)[0]
    step = 1e-5
    for edge in range(topologies.n_edges):
        moved = torch.zeros_like(lengths)
        moved[0, edge] = step
        value = model.log_likelihood(lengths + moved, topologies) - model.log_likelihood(lengths - moved, topologies)
        assert float(value[0]) / (2 * step) == pytest.approx(float(gradient(lengths)[edge]), rel=1e-6, abs=1e-5)
        second = (gradient(lengths + moved) - gradient(lengths - moved)) / (2 * step)
        torch.testing.assert_close(hessian[edge], second, rtol=1e-5, atol=1e-4)


def test_sites_that_may_not_vary_are_named():
    sets = np.array([[1, 2, 1, 3], [2, 2, 3, 1], [1, 2, 1, 3], [2, 3, 3, 3]], dtype=np.uint8)
    alignment = Alignment(taxa=("a", "b", "c", "d"), state_sets=sets, data_type=standard(2),
                          excluded=np.array([False, True, False, False, False]))  # fmt: skip
    with pytest.raises(InputError, match=r"x\.nex: .*MK\+ASC .*: 3, 4, 5"):
        check_columns(alignment, None, "MK+ASC", "x.nex")
    with pytest.raises(InputError, match=r"3 sites .*same state"):
        PhyloModel(
            SitePatterns(state_sets=sets, weights=np.ones(4), data_type=standard(2)), 4, substitution_model="MK+ASC"
        )
