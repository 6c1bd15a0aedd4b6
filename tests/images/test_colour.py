"""The decoder of colour images: causality, and draws by whole passes."""

import itertools

import pytest
import torch

from tests.images.examples import colour, tiny
from vbpi_mix.images import ColourMISVAE
from vbpi_mix.images.likelihoods import sample_logistic_mixture


@pytest.mark.parametrize("decoder", ["valid", "published"])
def test_colour_outputs_do_not_change_with_this_or_later_pixels(decoder):
    network = tiny(model=ColourMISVAE, decoder=decoder).decoder
    x, z = colour(1), torch.randn((1, 3), generator=torch.Generator().manual_seed(3)).double()
    with torch.no_grad():
        before = network.outputs(x, z).flatten(2)
        for pixel in (0, 9, 30, 63):
            changed = x.clone()
            changed.flatten(2)[..., pixel:] = 1 - changed.flatten(2)[..., pixel:]
            after = network.outputs(changed, z).flatten(2)
            torch.testing.assert_close(after[..., : pixel + 1], before[..., : pixel + 1], rtol=1e-12, atol=1e-12)


def test_colour_draws_are_bytes():
    drawn = tiny(model=ColourMISVAE).float().sample(2, torch.Generator().manual_seed(8))
    assert drawn.shape == (2, 3, 8, 8)
    torch.testing.assert_close(torch.round(drawn * 255), drawn * 255, rtol=0, atol=1e-4)


def test_the_rows_that_a_draw_passes_through_are_enough():
    decoder = tiny(model=ColourMISVAE).decoder
    z = torch.randn((2, 3), generator=torch.Generator().manual_seed(9)).double()
    generator = torch.Generator().manual_seed(10)
    x = torch.zeros((2, 3, 8, 8)).double()
    with torch.no_grad():
        for i, j in itertools.product(range(8), range(8)):
            here = decoder.outputs(x, z)[:, :, i : i + 1, j : j + 1]
            x[:, :, i : i + 1, j : j + 1] = sample_logistic_mixture(here, generator)
    found = decoder.double().sample(z, torch.Generator().manual_seed(10))
    torch.testing.assert_close(found, x, rtol=0, atol=1e-6)
