"""Variational autoencoders with a mixture as approximate posterior: the parts put together as a mixture problem."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ComponentPlan, ParticleTerms
from vbpi_mix.images.colour import ColourPixelCNN
from vbpi_mix.images.decoders import ImageDecoder, PixelCNN
from vbpi_mix.images.layers import Normalisation, initialise
from vbpi_mix.images.mixtures import AmortisedMixture, ImageMixture, SeparateMixture
from vbpi_mix.images.priors import ImagePrior, StandardNormal
from vbpi_mix.images.trunks import PUBLISHED_CHANNELS, GatedTrunk, ResNet20Trunk
from vbpi_mix.seeding import torch_generator

Decoder = Literal["valid", "published"]
GROUP = "vae"  # of all parameters, for `train.TrainSettings.learning_rates`

_START = 31  # stream of a seed
_NORMALISATIONS: dict[str, Normalisation] = {"valid": "pixel", "published": "batch"}


class MixtureVAE(nn.Module):
    """Images x with latents z: p(z) p(x | z), and q(z | x) a mixture (an `estimators.MixtureProblem`).

    Arguments:
        mixture: q(z | x).
        prior: p(z).
        decoder: p(x | z).
    """

    def __init__(self, mixture: ImageMixture, prior: ImagePrior, decoder: ImageDecoder) -> None:
        super().__init__()
        self.mixture, self.prior, self.decoder = mixture, prior, decoder
        self.n_components = mixture.n_components

    def draw(
        self, plan: ComponentPlan, n_particles: int, generator: torch.Generator, batch: Any = None
    ) -> ParticleTerms:
        """Draw K latents of each sampled component for every image of the batch; see `estimators.ParticleTerms`.

        Arguments:
            plan: components.
            n_particles: K.
            generator: random generator of the draws, on the CPU.
            batch: (B, C, H, W) images, binary or in [0, 1] as the decoder wants them.
        """
        if not isinstance(batch, Tensor) or batch.ndim != 4:
            raise ConfigError("a step on images needs a batch (B, C, H, W)")
        q = self.mixture(batch, plan.evaluated.to(batch.device))
        shape = (len(batch), plan.n_sampled, n_particles, self.mixture.n_latent)
        e = torch.randn(shape, generator=generator).to(batch)
        z = q.from_normal(plan.sampled_positions().to(batch.device), e)
        return ParticleTerms(
            log_likelihood=self.decoder.log_likelihood(batch, z),
            log_prior=self.prior.log_prob(z),
            log_q=q.log_prob(z),
        )

    def place(self, device: torch.device | None) -> None:
        """Move the networks to a device, where batches are then expected; None: to the CPU."""
        self.to(device or torch.device("cpu"))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, C, H, W) images drawn from the prior and the decoder."""
        z = self.prior.sample(n, generator).to(next(self.parameters()))
        return self.decoder.sample(z, generator)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {GROUP: list(self.parameters())}

    def n_parameters(self) -> int:
        """Trained numbers, as the paper counts them."""
        return sum(p.numel() for p in self.parameters())


class MISVAE(MixtureVAE):
    """The paper's model of binary images; the sizes of the defaults are the published ones.

    Arguments:
        n_components: A.
        decoder: "valid" normalises over the channels of one pixel, so that the decoder is a distribution of images;
            "published" has batch normalisation. Both have the same parameters.
        side: pixels per side.
        n_latent: D.
        trunk_channels: number of channels of the encoder's five gated convolutions.
        channels: number of channels of the decoder's masked convolutions.
        n_layers: masked convolutions.
        seed: seed of the weights' start.

    Examples:
        >>> MISVAE(n_components=50, decoder="published").n_parameters()
        618781
    """

    def __init__(
        self,
        n_components: int = 50,
        decoder: Decoder = "valid",
        *,
        side: int = 28,
        n_latent: int = 40,
        trunk_channels: Sequence[int] = PUBLISHED_CHANNELS,
        channels: int = 64,
        n_layers: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(
            AmortisedMixture(GatedTrunk(side, trunk_channels), n_components, n_latent),
            StandardNormal(n_latent),
            PixelCNN(side, n_latent, channels=channels, n_layers=n_layers, normalisation=_normalisation(decoder)),
        )
        initialise(self, torch_generator(seed, stream=_START))


class SEMVAE(MixtureVAE):
    """The baseline with a separate encoder for each component; arguments as of `MISVAE`."""

    def __init__(
        self,
        n_components: int = 12,
        decoder: Decoder = "valid",
        *,
        side: int = 28,
        n_latent: int = 40,
        trunk_channels: Sequence[int] = PUBLISHED_CHANNELS,
        channels: int = 64,
        n_layers: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(
            SeparateMixture(
                [AmortisedMixture(GatedTrunk(side, trunk_channels), 1, n_latent) for _ in range(n_components)]
            ),
            StandardNormal(n_latent),
            PixelCNN(side, n_latent, channels=channels, n_layers=n_layers, normalisation=_normalisation(decoder)),
        )
        initialise(self, torch_generator(seed, stream=_START))


class ColourMISVAE(MixtureVAE):
    """The paper's model of CIFAR-10, its encoder trained from scratch; the default sizes are the published ones.

    Arguments:
        n_components: A.
        decoder: decoder as in `MISVAE`.
        side: pixels per side, a multiple of 8.
        n_latent: D.
        trunk_channels: number of channels of the residual trunk's first stage.
        channels: number of channels of the decoder.
        n_layers: gated masked convolutions.
        seed: seed of the weights' start.
    """

    def __init__(
        self,
        n_components: int = 4,
        decoder: Decoder = "valid",
        *,
        side: int = 32,
        n_latent: int = 128,
        trunk_channels: int = 16,
        channels: int = 128,
        n_layers: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(
            AmortisedMixture(ResNet20Trunk(trunk_channels), n_components, n_latent),
            StandardNormal(n_latent),
            ColourPixelCNN(side, n_latent, channels=channels, n_layers=n_layers, normalisation=_normalisation(decoder)),
        )
        initialise(self, torch_generator(seed, stream=_START))


def _normalisation(decoder: str) -> Normalisation:
    if decoder not in get_args(Decoder):
        raise ConfigError(f"decoder must be one of {', '.join(get_args(Decoder))}, not '{decoder}'")
    return _NORMALISATIONS[decoder]
