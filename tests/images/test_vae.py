"""The models through the estimators: sizes, independence of neighbours, laws, and a marginal by enumeration."""

import itertools
import math

import pytest
import torch

from tests.images.examples import SEMVAE, binary, colour, tiny
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import Objective, all_components, plan_of_subset
from vbpi_mix.images import MISVAE, ColourMISVAE, MixtureVAE, PixelCNN, StandardNormal, evaluate_images
from vbpi_mix.images.layers import initialise
from vbpi_mix.images.mixtures import AmortisedMixture


@pytest.mark.parametrize(("a", "expected"), [(50, 618_781), (200, 654_781), (400, 702_781), (800, 798_781)])
@pytest.mark.parametrize("decoder", ["published", "valid"])
def test_the_published_sizes(a, expected, decoder):
    assert MISVAE(n_components=a, decoder=decoder).n_parameters() == expected


def test_semvae_grows_by_a_whole_encoder():
    one, two, three = (tiny(a, model=SEMVAE).n_parameters() for a in (1, 2, 3))
    assert three - two == two - one == sum(p.numel() for p in tiny(1).mixture.parameters())


@pytest.mark.parametrize(("model", "batch"), [(MISVAE, binary()), (SEMVAE, binary()), (ColourMISVAE, colour())])
@pytest.mark.parametrize("decoder", ["valid", "published"])
def test_an_image_has_its_value_whatever_stands_beside_it(model, batch, decoder):
    """Neighbours in the batch, components drawn in the same step, and other draws change nothing."""
    made = tiny(3, decoder, model=model)
    e = torch.randn((len(batch), 3, 2, 3), generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        q = made.mixture(batch, torch.arange(3))
        z = q.from_normal(torch.arange(3), e)
        together = made.decoder.log_likelihood(batch, z)
        alone = [
            made.decoder.log_likelihood(batch[i : i + 1], z[i : i + 1, s : s + 1, k : k + 1]).squeeze()
            for i, s, k in itertools.product(range(len(batch)), range(3), range(2))
        ]
        torch.testing.assert_close(together.flatten(), torch.stack(alone), rtol=1e-9, atol=1e-9)
        apart = made.mixture(batch[1:2], torch.tensor([2]))
        torch.testing.assert_close(apart.means[0, 0], q.means[1, 2], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(apart.log_variances[0, 0], q.log_variances[1, 2], rtol=1e-9, atol=1e-9)


def test_terms_are_the_formulas():
    made, x = tiny(), binary()
    terms = made.draw(plan_of_subset("s2a", torch.tensor([1]), 3), 2, torch.Generator().manual_seed(4), x)
    e = torch.randn((3, 1, 2, 3), generator=torch.Generator().manual_seed(4)).double()
    q = made.mixture(x, torch.arange(3))
    z = q.means[:, 1, None, None] + torch.exp(0.5 * q.log_variances[:, 1, None, None]) * e
    normal = torch.distributions.Normal(q.means[:, None, None], torch.exp(0.5 * q.log_variances[:, None, None]))
    torch.testing.assert_close(terms.log_q, normal.log_prob(z.unsqueeze(3)).sum(-1), rtol=1e-6, atol=1e-5)
    prior = torch.distributions.Normal(0, 1).log_prob(z).sum(-1)
    torch.testing.assert_close(terms.log_prior, prior, rtol=1e-6, atol=1e-5)


def test_s2a_averaged_over_subsets_is_a2a():
    made, x = tiny(), binary()
    everything = made.draw(all_components(3), 2, torch.Generator().manual_seed(5), x)
    whole = Objective(estimator="a2a", n_components=3, n_sampled=3, n_particles=2, annealed="kl")
    part = Objective(estimator="s2a", n_components=3, n_sampled=1, n_particles=2, annealed="kl")
    parts = []
    for a in range(3):
        terms = type(everything)(
            log_likelihood=everything.log_likelihood[:, a : a + 1],
            log_prior=everything.log_prior[:, a : a + 1],
            log_q=everything.log_q[:, a : a + 1],
        )
        parts.append(part.surrogate(terms, plan_of_subset("s2a", torch.tensor([a]), 3), inverse_temperature=0.3).loss)
    together = whole.surrogate(everything, all_components(3), inverse_temperature=0.3).loss
    torch.testing.assert_close(torch.stack(parts).mean(), together, rtol=1e-12, atol=1e-12)


def test_kl_warm_up_scales_all_but_the_likelihood():
    made, x = tiny(1), binary()
    objective = Objective(estimator="a2a", n_components=1, n_sampled=1, n_particles=1, annealed="kl")
    terms = made.draw(all_components(1), 1, torch.Generator().manual_seed(6), x)
    loss = objective.surrogate(terms, all_components(1), inverse_temperature=0.25).loss
    expected = terms.log_likelihood + 0.25 * (terms.log_prior - terms.log_q[..., 0])
    torch.testing.assert_close(-loss, expected.mean())


@pytest.mark.parametrize("model", [MISVAE, SEMVAE, ColourMISVAE])
@pytest.mark.parametrize("decoder", ["valid", "published"])
def test_every_parameter_gets_a_gradient(model, decoder):
    made = tiny(3, decoder, model=model).train()
    objective = Objective(estimator="s2a", n_components=3, n_sampled=1, n_particles=1, annealed="kl")
    x = colour() if model is ColourMISVAE else binary()
    objective.step(made, torch.Generator().manual_seed(7), batch=x).loss.backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
    projection = made.decoder.projection if model is ColourMISVAE else made.decoder.plane.value
    assert float(projection.weight.grad.abs().max()) > 0


def test_the_marginal_of_all_images_sums_to_one():
    """log p(x) estimated for each of the 512 images of 3 x 3 pixels: the pooled estimates sum to 1."""
    made = tiny(2, side=3, n_latent=2, channels=3)
    images = torch.tensor(list(itertools.product((0.0, 1.0), repeat=9))).double().view(-1, 1, 3, 3)
    found = evaluate_images(made, images, n_total=400, generator=torch.Generator().manual_seed(8), batch_size=128)
    # the spread of 512 independent estimates of about 400 draws each, by the weights themselves: 1 % is far outside
    assert float(found.pooled.exp().sum()) == pytest.approx(1, abs=0.02)
    assert bool((found.elbo <= found.published + 1e-9).all())
    assert bool((found.published <= found.pooled + 1e-9).all())


def test_parts_can_be_swapped():
    class Wide(StandardNormal):
        def log_prob(self, z):
            return -0.5 * (z**2 / 4).sum(-1) - 0.5 * z.shape[-1] * math.log(8 * math.pi)

    class Constant(torch.nn.Module):
        n_features = 1

        def forward(self, x):
            return x.flatten(1)[:, :1]

    made = MixtureVAE(AmortisedMixture(Constant(), 2, 3), Wide(3), PixelCNN(4, 3, channels=2, n_layers=1))
    initialise(made, torch.Generator().manual_seed(1))
    terms = made.draw(all_components(2), 1, torch.Generator().manual_seed(2), binary().float())
    assert terms.log_prior.shape == (3, 2, 1)
    found = evaluate_images(made, binary().float(), n_total=4, generator=torch.Generator().manual_seed(3))
    assert bool(torch.isfinite(found.pooled).all())


def test_equal_seeds_give_equal_weights():
    a, b, c = (tiny(seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)


def test_mistakes():
    with pytest.raises(ConfigError, match="valid, published"):
        MISVAE(2, "other")
    with pytest.raises(ConfigError, match="at least one component"):
        MISVAE(0)
    with pytest.raises(ConfigError, match="5 layers"):
        MISVAE(2, trunk_channels=(3,))
    with pytest.raises(ConfigError, match="needs a batch"):
        tiny().draw(all_components(3), 1, torch.Generator())
    with pytest.raises(ConfigError, match="multiple of 8"):
        ColourMISVAE(2, side=12)
