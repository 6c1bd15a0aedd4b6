"""Mixtures to try steps on."""

import torch

from vbpi_mix.support import SubsplitSupport
from vbpi_mix.variational import PhyloMixture


def random_mixture(support: SubsplitSupport, seed: int, **options) -> PhyloMixture:
    """A mixture whose parameters are random; branches are short, and flows small and in a frame near the base."""
    mixture = PhyloMixture(support, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in mixture.named_parameters():
            scale = 0.05 if "flow" in name else 0.4
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
        mixture.branches.base.table[..., 0] -= 0.7
        if options.get("flow", "identity") != "identity":  # the frame, and gain, are no parameters
            mixture.branches.flow.start_fitted(mixture.branches.base.table.mean(0), support.n_splits)
    return mixture
