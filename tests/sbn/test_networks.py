import io

import numpy as np
import pytest
import torch

from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import all_topologies, random_topologies
from vbpi_mix.sbn import SubsplitBayesianNetworks
from vbpi_mix.seeding import torch_generator
from vbpi_mix.support import build_support, encode


def normal(*shape, seed=1):
    return torch.randn(shape, generator=torch_generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("n_taxa", [4, 5, 6, 7])
def test_probabilities_of_all_topologies_sum_to_one(n_taxa):
    topologies = all_topologies(n_taxa)
    support = build_support(topologies)
    model = SubsplitBayesianNetworks(support, 3, logits=3 * normal(3, support.n_params))
    total = model.log_prob(encode(support, topologies)).exp().sum(dim=1)
    np.testing.assert_allclose(total.detach().numpy(), 1.0, rtol=0, atol=1e-12)


def incomplete(n_taxa=6, n_known=10):
    """A support that lacks some topologies, and all topologies encoded in it."""
    everything = all_topologies(n_taxa)
    known = everything[np.random.default_rng(1).permutation(len(everything))[:n_known]]
    support = build_support(known)
    return support, encode(support, everything)


def test_probabilities_on_an_incomplete_support_sum_to_one():
    support, encoded = incomplete()
    model = SubsplitBayesianNetworks(support, 2, logits=normal(2, support.n_params))
    log_prob = model.log_prob(encoded)
    outside = torch.from_numpy(encoded.n_represented_rootings() == 0)
    assert outside.any()
    assert torch.equal(torch.isneginf(log_prob), outside.expand(2, -1))
    np.testing.assert_allclose(log_prob.exp().sum(dim=1).detach().numpy(), 1.0, rtol=0, atol=1e-12)


def test_gradient_in_logits_numerically():
    support, encoded = incomplete(5, 3)
    inside = encoded[encoded.n_represented_rootings() > 0]
    components = torch.tensor([2, 0, 2])

    def function(logits):
        model = SubsplitBayesianNetworks(support, 3)
        del model.logits
        model.logits = logits
        return model.log_prob(inside, components)

    logits = normal(3, support.n_params).requires_grad_()
    assert torch.autograd.gradcheck(function, (logits,))
    (gradient,) = torch.autograd.grad(function(logits).sum(), logits)
    assert (gradient[1] == 0).all()  # a component that is not evaluated


def test_gradient_through_tables_equals_the_direct_one():
    support, encoded = incomplete()
    model = SubsplitBayesianNetworks(support, 2, logits=normal(2, support.n_params))
    inside = encoded[encoded.n_represented_rootings() > 0]
    weights = normal(2, len(inside), seed=2)
    direct = model.log_prob(inside)
    through = model.log_prob(inside, log_cpd=model.log_cpd())
    np.testing.assert_allclose(through.detach().numpy(), direct.detach().numpy(), rtol=1e-13)
    (first,) = torch.autograd.grad((weights * direct).sum(), model.logits)
    (second,) = torch.autograd.grad((weights * through).sum(), model.logits)
    np.testing.assert_allclose(second.numpy(), first.numpy(), rtol=0, atol=1e-13)


def test_mean_score_is_zero():
    # the exact expectation of d log q: sum over topologies of q * d log q = d sum q = 0
    topologies = all_topologies(6)
    support = build_support(topologies)
    model = SubsplitBayesianNetworks(support, 1, logits=normal(1, support.n_params))
    log_prob = model.log_prob(encode(support, topologies))
    (log_prob * log_prob.detach().exp()).sum().backward()
    assert model.logits.grad is not None
    np.testing.assert_allclose(model.logits.grad.numpy(), 0.0, atol=1e-15)


@pytest.mark.parametrize("upstream", [1.0, torch.nan, torch.inf])
def test_topologies_outside_the_support_have_no_gradient(upstream):
    support, encoded = incomplete()
    model = SubsplitBayesianNetworks(support, 2, logits=normal(2, support.n_params))
    log_prob = model.log_prob(encoded[encoded.n_represented_rootings() == 0])
    log_prob.backward(torch.full_like(log_prob, upstream))
    assert model.logits.grad is not None
    assert (model.logits.grad == 0).all()


def test_log_cpd_is_normalised_by_parent():
    topologies = random_topologies(100, 70, np.random.default_rng(2))
    support = build_support(topologies)
    model = SubsplitBayesianNetworks(support, 2, logits=100 * normal(2, support.n_params))
    table = model.log_cpd().detach().exp().numpy()
    segments = support.segments
    for a in range(2):
        sums = np.bincount(segments.segment_of_entry, weights=table[a], minlength=segments.n_segments)
        np.testing.assert_allclose(sums, 1.0, rtol=1e-12)
    uniform = SubsplitBayesianNetworks(support).log_cpd().detach().exp().numpy()[0]
    np.testing.assert_allclose(uniform, 1 / segments.sizes()[segments.segment_of_entry], rtol=1e-12)


def test_extreme_logits_give_no_nan():
    topologies = all_topologies(6)
    support = build_support(topologies)
    model = SubsplitBayesianNetworks(support, 1, logits=1e4 * normal(1, support.n_params))
    log_prob = model.log_prob(encode(support, topologies))
    log_prob.sum().backward()
    assert torch.isfinite(log_prob).all()
    assert model.logits.grad is not None
    assert torch.isfinite(model.logits.grad).all()
    assert log_prob.exp().sum().item() == pytest.approx(1.0, abs=1e-11)


def test_state_and_errors():
    support, encoded = incomplete()
    model = SubsplitBayesianNetworks(support, 2, logits=normal(2, support.n_params))
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    again = SubsplitBayesianNetworks(support, 2)
    again.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(again.log_prob(encoded), model.log_prob(encoded))
    with pytest.raises(SupportError, match="do not fit"):
        SubsplitBayesianNetworks(support, 2, logits=normal(3, support.n_params))
    with pytest.raises(SupportError, match="finite"):
        SubsplitBayesianNetworks(support, logits=torch.full((1, support.n_params), -torch.inf))
    for components in ([2], [-1], [[0]]):
        with pytest.raises(SupportError, match="from 0 to 1"):
            model.log_prob(encoded, torch.tensor(components))
    other = build_support(all_topologies(6))
    with pytest.raises(SupportError, match="another support"):
        model.log_prob(encode(other, other_trees := all_topologies(6)))
    with pytest.raises(SupportError, match="another support"):
        SubsplitBayesianNetworks(other).log_prob(encoded)
    equal = build_support(other_trees)
    SubsplitBayesianNetworks(other).log_prob(encode(equal, other_trees))
    with pytest.raises(SupportError, match="from 0 to 1"):
        model.sample(torch.tensor([0, 2]), torch_generator(1))


def test_no_trees_and_no_components():
    support, encoded = incomplete()
    model = SubsplitBayesianNetworks(support, 2)
    assert model.sample(torch.zeros(0, dtype=torch.int64), torch_generator(1)).n_trees == 0
    assert model.log_prob(encoded[:0]).shape == (2, 0)
    assert model.log_prob(encoded, torch.zeros(0, dtype=torch.int64)).shape == (0, len(encoded))
