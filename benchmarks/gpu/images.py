"""An epoch of MNIST with the published networks on a device beside the CPU: correctness first, then seconds.

S2A with S = 1 and A = 200, for which the paper gives 73 s an epoch on an RTX 4090. Images are random: times do not
depend on what they show.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch

from vbpi_mix.estimators import Objective
from vbpi_mix.images import MISVAE
from vbpi_mix.images.vae import GROUP
from vbpi_mix.replication.images.config import SCALES
from vbpi_mix.train import TrainSettings, fit

EPOCH = 50_000  # images
_SMALL_SIZES: dict[str, Any] = {
    "side": 8, "n_latent": 4, "trunk_channels": (2, 2, 2, 2, 2), "channels": 4, "n_layers": 2
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Images:
    """What is timed.

    Arguments:
        scale: "small" or "published", see `replication.images.config.SCALES`.
        n_components: A.
        n_steps: training steps on the device, ...
        n_on_cpu: ... and on the CPU.
    """

    scale: str
    n_components: int
    n_steps: int
    n_on_cpu: int


TINY = Images(scale="small", n_components=3, n_steps=1, n_on_cpu=1)
WHOLE = Images(scale="published", n_components=200, n_steps=40, n_on_cpu=2)


def objective_of(n_components: int) -> Objective:
    return Objective(estimator="s2a", n_components=n_components, n_sampled=1, n_particles=1, annealed="kl")


def images_of(n: int, side: int) -> torch.Tensor:
    return (torch.rand((n, 1, side, side), generator=torch.Generator().manual_seed(1)) < 0.3).float()


def check_images(device: torch.device) -> float:
    """Largest relative difference of bound and gradients of a small step in float64; SystemExit if it is not small."""
    model = MISVAE(6, "valid", **_SMALL_SIZES, seed=1).double()
    placed = copy.deepcopy(model)
    placed.place(device)
    x = images_of(5, _SMALL_SIZES["side"]).double()
    bounds = []
    for each, batch in ((model, x), (placed, x.to(device))):
        step = objective_of(6).step(each, torch.Generator().manual_seed(2), batch=batch)
        step.loss.backward()
        bounds.append(float(step.bound.detach()))
    errors = [abs(bounds[1] / bounds[0] - 1.0)]
    for ours, theirs in zip(model.parameters(), placed.parameters(), strict=True):
        if ours.grad is not None and theirs.grad is not None:
            largest = float(ours.grad.abs().max())
            errors.append(float((theirs.grad.cpu() - ours.grad).abs().max()) / max(largest, 1e-12))
    if not max(errors) < 1e-8:
        raise SystemExit(f"wrong: a step on images on {device} differs from the CPU's by {max(errors):.1e}")
    return max(errors)


def image_rows(what: Images, device: torch.device) -> list[dict[str, Any]]:
    """Seconds of a step and of an epoch, optimiser and moving of batches included."""
    scale = SCALES["grey", what.scale]
    x = images_of(scale.batch_size, scale.side)
    rows = []
    for name, where, n_steps in (("device", device, what.n_steps), ("cpu", None, what.n_on_cpu)):
        model = MISVAE(
            what.n_components, "published", side=scale.side, n_latent=scale.n_latent,
            trunk_channels=scale.trunk_channels, channels=scale.channels, n_layers=scale.n_layers, seed=1,
        )  # fmt: skip
        seconds = []
        for n in (1, n_steps):  # the first chooses kernels
            result = fit(
                model,
                objective_of(what.n_components),
                TrainSettings(n_iterations=n, learning_rates={GROUP: scale.learning_rate}),
                generator=torch.Generator().manual_seed(3),
                batches=lambda iteration: x,  # noqa: ARG005
                device=where,
            )
            seconds.append(result.seconds / n)
        rows.append(
            {"networks": what.scale, "components": what.n_components, "on": name, "s_per_step": seconds[1],
             "s_per_epoch": seconds[1] * EPOCH / scale.batch_size}
        )  # fmt: skip
    return rows
