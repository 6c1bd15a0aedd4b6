"""Decoders as distributions: enumeration, causality, neighbours, and draws that agree with the density."""

import itertools

import pytest
import torch

from tests.images.examples import binary, tiny
from tests.statistics import assert_frequencies
from vbpi_mix.images import PixelCNN
from vbpi_mix.images.layers import initialise


def small_decoder(normalisation, *, side=2, n_layers=3):
    made = PixelCNN(side, 3, channels=4, n_layers=n_layers, normalisation=normalisation)
    initialise(made, torch.Generator().manual_seed(1))
    return made.double().eval()


def all_images(side):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=side * side))).double().view(-1, 1, side, side)


@pytest.mark.parametrize("normalisation", ["pixel", "batch"])
@pytest.mark.parametrize("side", [2, 3])
def test_probabilities_of_all_images_sum_to_one(normalisation, side):
    decoder, images = small_decoder(normalisation, side=side), all_images(side)
    z = torch.randn((1, 1, 1, 3), generator=torch.Generator().manual_seed(2)).double().expand(len(images), -1, -1, -1)
    with torch.no_grad():
        log_p = decoder.log_likelihood(images, z)
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-10)


def test_with_batch_statistics_they_do_not():
    decoder, images = small_decoder("batch"), all_images(2)
    decoder.train()
    z = torch.randn((1, 1, 1, 3), generator=torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        log_p = torch.stack([decoder.log_likelihood(image[None], z).squeeze() for image in images])
    assert abs(float(log_p.exp().sum()) - 1) > 0.01


@pytest.mark.parametrize("decoder", ["valid", "published"])
def test_logits_do_not_change_with_later_pixels(decoder):
    network = tiny(decoder=decoder).decoder
    x, z = binary(1), torch.randn((1, 3), generator=torch.Generator().manual_seed(3)).double()
    with torch.no_grad():
        before = network.logits(x, z).flatten()
        for pixel in range(16):
            changed = x.clone()
            changed.view(-1)[pixel:] = 1 - changed.view(-1)[pixel:]
            torch.testing.assert_close(
                network.logits(changed, z).flatten()[: pixel + 1], before[: pixel + 1], rtol=1e-12, atol=1e-12
            )
        changed = x.clone()
        changed.view(-1)[0] = 1 - changed.view(-1)[0]
        assert float((network.logits(changed, z).flatten() - before).abs().max()) > 1e-6


@pytest.mark.parametrize("normalisation", ["pixel", "batch"])
def test_draws_have_their_probabilities(normalisation):
    decoder, images = small_decoder(normalisation), all_images(2)
    z = torch.randn((1, 3), generator=torch.Generator().manual_seed(4)).double()
    drawn = decoder.sample(z.expand(20_000, 3), torch.Generator().manual_seed(5))
    code = (drawn.flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0]).double()).long()
    with torch.no_grad():
        log_p = decoder.log_likelihood(images, z.expand(16, 3)[:, None, None])
    assert_frequencies(torch.bincount(code, minlength=16).numpy(), log_p.exp().flatten().numpy())


@pytest.mark.parametrize("n_layers", [1, 2, 4])
def test_the_rows_that_a_draw_passes_through_are_enough(n_layers):
    """A draw by whole passes, from the same random numbers, is the same image."""
    decoder = small_decoder("pixel", side=6, n_layers=n_layers)
    z = torch.randn((3, 3), generator=torch.Generator().manual_seed(6)).double()
    generator = torch.Generator().manual_seed(7)
    x = torch.zeros((3, 1, 6, 6)).double()
    with torch.no_grad():
        for row, column in itertools.product(range(6), range(6)):
            p = torch.sigmoid(decoder.logits(x, z)[:, 0, row, column])
            x[:, 0, row, column] = (torch.rand(3, generator=generator).double() < p).double()
    assert torch.equal(decoder.sample(z, torch.Generator().manual_seed(7)), x)
