"""MISVAE and SEMVAE: mixtures as approximate posteriors of images (Hotti et al. 2024, Section 6.2)."""

from vbpi_mix.images.batches import Minibatches, Pixels, fixed_images
from vbpi_mix.images.colour import ColourPixelCNN
from vbpi_mix.images.decoders import PixelCNN
from vbpi_mix.images.evaluation import ImageLikelihoods, batch_statistics, evaluate_images, mean_and_error
from vbpi_mix.images.frechet import PrincipalComponents, frechet_distance, principal_components
from vbpi_mix.images.mixtures import AmortisedMixture, DiagonalGaussians, SeparateMixture
from vbpi_mix.images.priors import StandardNormal
from vbpi_mix.images.trunks import GatedTrunk, ResNet20Trunk
from vbpi_mix.images.vae import GROUP, MISVAE, SEMVAE, ColourMISVAE, Decoder, MixtureVAE

__all__ = [
    "GROUP",
    "MISVAE",
    "SEMVAE",
    "AmortisedMixture",
    "ColourMISVAE",
    "ColourPixelCNN",
    "Decoder",
    "DiagonalGaussians",
    "GatedTrunk",
    "ImageLikelihoods",
    "Minibatches",
    "MixtureVAE",
    "PixelCNN",
    "Pixels",
    "PrincipalComponents",
    "ResNet20Trunk",
    "SeparateMixture",
    "StandardNormal",
    "batch_statistics",
    "evaluate_images",
    "fixed_images",
    "frechet_distance",
    "mean_and_error",
    "principal_components",
]
