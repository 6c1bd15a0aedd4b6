"""Seconds per epoch of the image models: component heads at once against a loop over components, and growth with A.

    python -m benchmarks.images.epoch [--scale small|published] [--batch 100] [--rounds 5] [--components 200]
        [--loops-only] [--output FILE]

First the gate: heads at once and a plain loop over components, with the one-hot input concatenated to the features as
in the published code, must agree in values and gradients. Then steps of S2A with S = 1 at A = 200, and of others, are
timed in turns, on random binary images (times do not depend on what images show), and given as seconds per epoch of
50,000 images. Times are of the processor, with one thread: what other programs do on the machine moves them little. The
loops are kept here alone: the package has no slow version. One JSON line per row goes to benchmarks/results/images/.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks._common import RESULTS_FOLDER, print_table, write_json_lines
from vbpi_mix.estimators import Objective
from vbpi_mix.images import MISVAE, SEMVAE, DiagonalGaussians, MixtureVAE
from vbpi_mix.images.heads import ComponentHead, ComponentLinear
from vbpi_mix.images.mixtures import LOG_VARIANCE_RANGE, AmortisedMixture
from vbpi_mix.replication.images.config import SCALES

EPOCH = 50_000
ROWS = (
    ("S2A", "s2a", 1, (1, 5, 20, 100, 200)),
    ("S2S", "s2s", 1, (5, 20, 100, 200)),
    ("SEMVAE S2A", "s2a", 1, (1, 2, 5, 10)),
)


class LoopedMixture(nn.Module):
    """The same mixture, component after component: trunk once or each time, then one-hot inputs concatenated.

    Arguments:
        mixture: whose weights are used.
        trunk_once: compute the image's features once for all components; False: a whole encoder pass each.
    """

    def __init__(self, mixture: AmortisedMixture, *, trunk_once: bool) -> None:
        super().__init__()
        self.inner, self.trunk_once = mixture, trunk_once
        self.n_components, self.n_latent = mixture.n_components, mixture.n_latent

    def forward(self, x: Tensor, components: Tensor) -> DiagonalGaussians:
        features = self.inner.trunk(x)
        means, log_variances = [], []
        for a in components.tolist():
            if not self.trunk_once:
                features = self.inner.trunk(x)
            one_hot = torch.zeros((len(x), self.n_components)).to(x)
            one_hot[:, a] = 1
            told = torch.cat([features, one_hot], dim=1)
            means.append(_head(self.inner.mean, told))
            log_variances.append(_head(self.inner.log_variance, told).clamp(*LOG_VARIANCE_RANGE))
        return DiagonalGaussians(means=torch.stack(means, dim=1), log_variances=torch.stack(log_variances, dim=1))


def _head(head: ComponentHead, told: Tensor) -> Tensor:
    hidden = torch.relu(_layer(head.first, told))
    hidden = torch.relu(_layer(head.second, torch.cat([told, hidden], dim=1)))
    return _layer(head.third, torch.cat([told, hidden], dim=1))


def _layer(layer: ComponentLinear, inputs: Tensor) -> Tensor:
    parts = [layer.features, layer.component_bias.T, *([] if layer.hidden is None else [layer.hidden])]
    return inputs @ torch.cat(parts, dim=1).T + layer.bias


def check() -> None:
    """Values and gradients of a step agree, or an error."""
    sizes = {"side": 8, "n_latent": 4, "trunk_channels": (2, 2, 2, 2, 2), "channels": 4, "n_layers": 2}
    x = (torch.rand((3, 1, 8, 8), generator=torch.Generator().manual_seed(1)) < 0.4).double()
    objective = Objective(estimator="s2a", n_components=6, n_sampled=1, n_particles=1)
    found = []
    for kind in ("at once", "trunk once", "all"):
        model = MISVAE(6, **sizes).double()
        parameters = list(model.parameters())
        if kind != "at once":
            model.mixture = LoopedMixture(model.mixture, trunk_once=kind == "trunk once")
        loss = objective.step(model, torch.Generator().manual_seed(2), batch=x).loss
        found.append((loss.detach(), torch.autograd.grad(loss, parameters)))
    for loss, gradients in found[1:]:
        torch.testing.assert_close(loss, found[0][0], rtol=1e-10, atol=1e-10)
        for a, b in zip(gradients, found[0][1], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
    print("gate passed: the loops agree with the heads at once in values and gradients")


def step_of(model: MixtureVAE, estimator: str, n_sampled: int, x: Tensor) -> Callable[[], None]:
    objective = Objective(
        estimator=estimator, n_components=model.n_components, n_sampled=n_sampled, n_particles=1, annealed="kl"
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-6, fused=True)
    generator = torch.Generator().manual_seed(3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        objective.step(model, generator, batch=x).loss.backward()
        optimizer.step()

    return step


def processor_times(runs: Mapping[tuple[str, int], Callable[[], None]], n_rounds: int) -> dict:
    """Processor seconds of a call of each function in each round, taken in turns after one call that is thrown away."""
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    for round_ in range(n_rounds + 1):
        for key, run in runs.items():
            start = time.process_time()
            run()
            if round_ > 0:
                seconds[key].append(time.process_time() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("small", "published"), default="small")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--components", type=int, default=200, help="A of the comparison with the loops")
    parser.add_argument("--loops-only", action="store_true", help="nothing but the comparison with the loops")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    check()
    scale = SCALES["grey", options.scale]
    sizes = {name: getattr(scale, name) for name in ("side", "n_latent", "trunk_channels", "channels", "n_layers")}
    x = torch.rand((options.batch, 1, scale.side, scale.side), generator=torch.Generator().manual_seed(4))
    x = (x < 0.3).float()
    runs: dict[tuple[str, int], Callable[[], None]] = {}
    grown = ROWS if not options.loops_only else ()
    for name, estimator, n_sampled, counts in (("S2A", "s2a", 1, (options.components,)), *grown):
        for a in counts:
            if (name, a) in runs:
                continue
            model = (SEMVAE if name.startswith("SEMVAE") else MISVAE)(a, **sizes)
            runs[name, a] = step_of(model, estimator, n_sampled, x)
    for name, trunk_once in (("loop over heads", True), ("loop over encoders", False)):
        model = MISVAE(options.components, **sizes)
        model.mixture = LoopedMixture(model.mixture, trunk_once=trunk_once)
        runs[name, options.components] = step_of(model, "s2a", 1, x)
    times = processor_times(runs, options.rounds)
    base = statistics.median(times["S2A", options.components])
    rows = [
        {
            "scale": options.scale,
            "batch": options.batch,
            "what": name,
            "A": a,
            "S": 1,
            "seconds_per_epoch": statistics.median(seconds) * EPOCH / options.batch,
            "fastest": min(seconds) * EPOCH / options.batch,
            "ratio_to_s2a_at_once": statistics.median(seconds) / base,
            "ratio_of_fastest": min(seconds) / min(times["S2A", options.components]),
        }
        for (name, a), seconds in times.items()
    ]
    print(f"processor seconds per epoch of {EPOCH:,} images, {options.scale} networks, one thread")
    print_table(rows, ["what", "A", "seconds_per_epoch", "fastest", "ratio_to_s2a_at_once", "ratio_of_fastest"])
    for row in rows:
        if row["what"].startswith("loop"):
            print(f"{row['what']}: {row['ratio_of_fastest']:.1f} times slower than all heads at once")
    folder = RESULTS_FOLDER / "images"
    write_json_lines(options.output or folder / f"epochs_{options.scale}.jsonl", rows)


if __name__ == "__main__":
    main()
