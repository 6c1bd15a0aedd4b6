"""A run with equal and with learned component weights, from the same draws."""

from dataclasses import dataclass
from typing import Any

import torch

from vbpi_mix.estimators import mixture_log_prob
from vbpi_mix.evaluate import Evaluation, LearnedWeights, evaluate_log_weights
from vbpi_mix.evaluate.sampling import WeightedTrees, draw_batches
from vbpi_mix.experiment.component_weights import find_weights
from vbpi_mix.experiment.reporter import Reporter, Silent, stage
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import EVALUATE_STREAM
from vbpi_mix.seeding import torch_generator
from vbpi_mix.threads import torch_threads


@dataclass(frozen=True, kw_only=True)
class WeightComparison:
    """A run with equal and with learned weights, from the same draws.

    Arguments:
        learned: the weights, and whether they are better on draws of their own.
        uniform: estimates with equal weights.
        weighted: estimates with the learned ones.
    """

    learned: LearnedWeights
    uniform: Evaluation
    weighted: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Both estimates, ready for JSON."""
        return {"uniform": self.uniform.to_dict(), "learned": self.weighted.to_dict()}


def compare_weights(
    run: Run,
    *,
    n_particles: int,
    n_repeats: int,
    seed: int | None = None,
    weight_particles: int | None = None,
    reporter: Reporter | None = None,
) -> WeightComparison:
    """Learn weights for a run and evaluate it with equal and with learned ones; neither run nor folder changes.

    Arguments:
        run: the run.
        n_particles: K draws per component and repeat.
        n_repeats: R.
        seed: seed of all draws; the run's own if None.
        weight_particles: number of particles of the bound that the weights raise; those of the training if None.
        reporter: told about progress.
    """
    reporter = reporter or Silent()
    seed = run.config.seed if seed is None else seed
    learned = find_weights(
        run.problem, n_particles=weight_particles or run.config.particles, seed=seed, reporter=reporter
    )
    mixture, pieces = run.problem.mixture, []
    log_weights = [mixture.log_weights_of(weights) for weights in (None, learned.weights)]

    def keep(batch: WeightedTrees) -> None:
        log_q = batch.trees.log_q
        more = [mixture.mixed(log_q) - mixture_log_prob(log_q.T, log_w) for log_w in log_weights]
        pieces.append((batch.log_weights + torch.stack(more)).reshape(2, mixture.n_components, -1))

    with torch_threads(1):
        draw_batches(
            run.problem,
            n_particles=n_particles,
            n_repeats=n_repeats,
            generator=torch_generator(seed, stream=EVALUATE_STREAM),
            use=keep,
            on_progress=stage(reporter, "evaluation"),
        )
    uniform, weighted = (
        torch.cat([piece[i] for piece in pieces], dim=1).reshape(-1, n_repeats, n_particles).transpose(0, 1)
        for i in range(2)
    )
    return WeightComparison(
        learned=learned,
        uniform=evaluate_log_weights(uniform),
        weighted=evaluate_log_weights(weighted, learned.weights),
    )
