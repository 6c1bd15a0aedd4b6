"""Chunked evaluation against all draws at once, and the two ways of treating batch normalisation."""

import math

import pytest
import torch

from tests.images.examples import binary, tiny
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import all_components, mixture_log_prob, normalised_log_weights
from vbpi_mix.images import batch_statistics, evaluate_images, mean_and_error


def log_weights(model, images, n, seed):
    """(B, A, n) of all draws at once."""
    plan = all_components(model.n_components)
    with torch.no_grad():
        terms = model.draw(plan, n, torch.Generator().manual_seed(seed), images)
    return terms.log_likelihood + terms.log_prior - mixture_log_prob(terms.log_q, normalised_log_weights(plan, None))


def test_estimates_are_their_formulas():
    model, images = tiny(), binary()
    log_w = log_weights(model, images, 4, 5)
    found = evaluate_images(model, images, n_total=12, generator=torch.Generator().manual_seed(5))
    assert found.n_per_component == 4
    torch.testing.assert_close(found.elbo, log_w.mean(dim=(1, 2)))
    torch.testing.assert_close(found.published, (torch.logsumexp(log_w, -1) - math.log(4)).mean(-1))
    torch.testing.assert_close(found.pooled, torch.logsumexp(log_w.flatten(1), -1) - math.log(12))


@pytest.mark.parametrize("passes", [3, 7, 1000])
def test_chunks_estimate_the_same(passes):
    """Other chunks draw in another order, so only many draws agree."""
    model, images = tiny(n_latent=1), binary()
    found = evaluate_images(
        model, images, n_total=3000, generator=torch.Generator().manual_seed(1), passes_at_once=3 * passes
    )
    log_w = log_weights(model, images, 1000, 2)
    expected = torch.logsumexp(log_w.flatten(1), -1) - math.log(3000)
    torch.testing.assert_close(found.pooled, expected, rtol=0, atol=0.05)


def test_mixtures_of_every_size_get_as_many_draws():
    counts = [
        a * evaluate_images(tiny(a), binary(), n_total=12, generator=torch.Generator()).n_per_component
        for a in (1, 2, 3, 5)
    ]
    assert counts == [12, 12, 12, 15]


def test_batch_statistics_see_neighbours_and_leave_the_model_as_it_was():
    model, images = tiny(decoder="published"), binary()
    before = {key: value.clone() for key, value in model.state_dict().items()}

    def first_value(batch, mode):
        return float(
            evaluate_images(model, batch, n_total=3, generator=torch.Generator().manual_seed(1), mode=mode).elbo[0]
        )

    other = torch.cat([images[:1], 1 - images[1:]])
    with batch_statistics(model):
        assert any(layer.training for layer in model.modules())
    assert not any(layer.training for layer in model.modules())
    assert first_value(images, "batch statistics") != pytest.approx(first_value(other, "batch statistics"), abs=1e-6)
    assert first_value(images, "evaluation") == pytest.approx(first_value(other, "evaluation"), abs=1e-9)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_without_batch_normalisation_the_modes_agree():
    model, images = tiny(1), binary()
    values = [
        evaluate_images(model, images, n_total=1, generator=torch.Generator().manual_seed(1), mode=mode).elbo
        for mode in ("evaluation", "batch statistics")
    ]
    torch.testing.assert_close(*values)


def test_a_model_in_training_is_evaluated_in_evaluation_mode():
    model = tiny(decoder="published").train()
    evaluate_images(model, binary(), n_total=3, generator=torch.Generator())
    assert model.training
    assert all(module.training for module in model.modules())


def test_mean_and_error():
    assert mean_and_error(torch.tensor([1.0, 3.0])) == pytest.approx((2.0, 1.0))


def test_no_draws():
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate_images(tiny(), binary(), n_total=0, generator=torch.Generator())
