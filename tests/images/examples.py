"""Tiny image models in float64."""

import torch

from vbpi_mix.images import MISVAE, SEMVAE, ColourMISVAE

SIZES = {"side": 4, "n_latent": 3, "trunk_channels": (2, 2, 2, 2, 2), "channels": 4, "n_layers": 3}
COLOUR_SIZES = {"side": 8, "n_latent": 3, "trunk_channels": 8, "channels": 4, "n_layers": 2}


def tiny(n_components=3, decoder="valid", *, model=MISVAE, seed=1, **sizes):
    """A model with stored batch statistics that are not those of a fresh layer."""
    made = model(n_components, decoder, **{**(COLOUR_SIZES if model is ColourMISVAE else SIZES), **sizes}, seed=seed)
    made = made.double().eval()
    generator = torch.Generator().manual_seed(seed + 100)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return made


def binary(n=3, side=4, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand((n, 1, side, side), generator=generator) < 0.4).double()


def colour(n=2, side=8, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator).double() / 255


__all__ = ["SEMVAE", "binary", "colour", "tiny"]
