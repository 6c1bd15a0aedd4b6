"""Test likelihoods: the published bound and the pooled estimate from the same draws, image by image."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ComponentPlan, MixtureProblem, mixture_log_prob, normalised_log_weights
from vbpi_mix.images.vae import MixtureVAE

Mode = Literal["evaluation", "batch statistics"]


@dataclass(frozen=True, kw_only=True)
class ImageLikelihoods:
    """Estimates for each of n images, in nats; all from the same A x L draws.

    Arguments:
        elbo: (n,) mean of log p(x, z) - log q(z | x): MISELBO with one draw inside the logarithm.
        published: (n,) mean over components of the log of the mean over a component's draws; a bound for every L, but
            its limit for many draws is not log p(x).
        pooled: (n,) log of the mean over all draws: a bound too, at least as high, and consistent.
        n_per_component: L.
    """

    elbo: Tensor
    published: Tensor
    pooled: Tensor
    n_per_component: int


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean over images, and its standard error, that of the choice of images."""
    values = values.double()
    return float(values.mean()), float(values.std() / math.sqrt(len(values)))


@torch.no_grad()
def evaluate_images(
    model: MixtureVAE,
    images: Tensor,
    *,
    n_total: int,
    generator: torch.Generator,
    mode: Mode = "evaluation",
    batch_size: int = 100,
    passes_at_once: int = 2_000,
    on_batch: Callable[[int, int], None] | None = None,
) -> ImageLikelihoods:
    """Draw from every component for every image and keep running sums of weights.

    Mixtures of any size get the same number of draws in total, or the next multiple of A above: with more draws the
    estimates rise whatever the mixture is.

    Arguments:
        model: model, which is left in the mode that it was in.
        images: (n, C, H, W) float32.
        n_total: draws per image, L = ceil(n_total / A) of each component.
        generator: random generator of the draws.
        mode: "evaluation", where an image's value is its own; or "batch statistics", how the published figures were
            computed: batch normalisation in training mode, one component at a time, statistics over the images of the
            batch. Those values are not likelihoods. Without batch normalisation the two agree.
        batch_size: images at once.
        passes_at_once: decoder passes at once, for the memory that they take.
        on_batch: called with images done and their number.
    """
    if n_total < 1:
        raise ConfigError(f"the draws per image must be at least 1, not {n_total}")
    n_per_component = -(-n_total // model.n_components)
    parts = []
    with evaluation_mode(model), batch_statistics(model, wanted=mode == "batch statistics"):
        for batch in images.split(batch_size):
            parts.append(_batch_sums(model, batch, n_per_component, generator, mode, passes_at_once))
            if on_batch is not None:
                on_batch(sum(p.shape[-1] for p in parts), len(images))
    total, log_sum = torch.cat(parts, dim=-1)  # (A, n) each
    log_mean = log_sum - math.log(n_per_component)
    return ImageLikelihoods(
        elbo=total.mean(dim=0) / n_per_component,
        published=log_mean.mean(dim=0),
        pooled=torch.logsumexp(log_mean, dim=0) - math.log(model.n_components),
        n_per_component=n_per_component,
    )


def _batch_sums(
    model: MixtureProblem, batch: Tensor, n_per_component: int, generator: torch.Generator, mode: Mode, passes: int
) -> Tensor:
    """(2, A, B) sum of log weights, and log of the sum of weights, over the draws of each component."""
    a = model.n_components
    at_once = 1 if mode == "batch statistics" else max(1, passes // len(batch))
    n_components, n_draws = min(a, at_once), max(1, min(n_per_component, at_once // a))
    total = torch.zeros((a, len(batch)), dtype=torch.float64)
    log_sum = torch.full((a, len(batch)), -math.inf, dtype=torch.float64)
    everything = torch.arange(a)
    for components in everything.split(n_components):
        plan = ComponentPlan(sampled=components, evaluated=everything, n_components=a)
        for start in range(0, n_per_component, n_draws):
            terms = model.draw(plan, min(n_draws, n_per_component - start), generator, batch)
            log_q = mixture_log_prob(terms.log_q, normalised_log_weights(plan, None))
            log_w = (terms.log_likelihood + terms.log_prior - log_q).double().cpu().transpose(0, 1)  # (S, B, K)
            total[components] += log_w.sum(dim=-1)
            log_sum[components] = torch.logaddexp(log_sum[components], torch.logsumexp(log_w, dim=-1))
    return torch.stack([total, log_sum])


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block, then the mode of before."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


@contextmanager
def batch_statistics(model: nn.Module, *, wanted: bool = True) -> Iterator[None]:
    """Batch normalisation by the statistics of the batch within the block; the stored statistics stay as they are."""
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)] if wanted else []
    before = [(layer.training, layer.track_running_stats) for layer in layers]
    for layer in layers:
        layer.training, layer.track_running_stats = True, False
    try:
        yield
    finally:
        for layer, (training, tracks) in zip(layers, before, strict=True):
            layer.training, layer.track_running_stats = training, tracks
