"""Training one mixture of the toy, and what is written down of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from vbpi_mix.estimators import Objective, all_components, miselbo, mixture_log_prob, normalised_log_weights
from vbpi_mix.evaluate import log_ml_pooled
from vbpi_mix.evaluate.pareto import pareto_tail
from vbpi_mix.replication.rows import MixtureRow
from vbpi_mix.replication.toy.config import ToyConfig
from vbpi_mix.seeding import torch_generator
from vbpi_mix.toys import FunnelModel, FunnelProblem, GaussianMixture, exact_bound
from vbpi_mix.train import FitResult, Progress, TrainSettings, fit

_START, _TRAINING, _CURVE, _EVALUATION = 21, 22, 23, 24  # streams of a seed
# draws per point of the curve, shared out among the components; the same normals at every point, so that a curve moves
# because the mixture does
_CURVE_DRAWS = 2_000
_CURVE_POINTS = 100
_EVALUATION_DRAWS = 100_000


@dataclass(frozen=True, kw_only=True)
class TrainedToy:
    """A trained mixture, or how far it came.

    Arguments:
        ending: result of `train.fit`.
        result: numbers for the record, None if a signal ended the training.
    """

    ending: FitResult
    result: dict[str, Any] | None


def toy_objective(config: ToyConfig, row: MixtureRow) -> Objective:
    """One particle inside the logarithm, `n_draws` draws per component outside it."""
    return Objective(
        estimator=row.estimator,
        n_components=row.n_components,
        n_sampled=row.n_sampled,
        n_particles=1,
        n_draws=config.n_draws,
    )


def toy_problem(config: ToyConfig, row: MixtureRow, seed: int, model: FunnelModel) -> FunnelProblem:
    """A model with a fresh mixture, whose start depends on the seed alone."""
    mixture = GaussianMixture(row.n_components, torch_generator(seed, stream=_START))
    return FunnelProblem(model, mixture, sequential_energy=config.energy == "sequential")


def toy_settings(config: ToyConfig, iterations: int, *, metrics_every: int) -> TrainSettings:
    """Adam at a constant rate without tempering, as in the paper."""
    return TrainSettings(
        n_iterations=iterations,
        learning_rates={"gaussians": config.learning_rate},
        decay_factor=1.0,
        metrics_every=metrics_every,
    )


def train_toy(
    config: ToyConfig,
    row: MixtureRow,
    seed: int,
    model: FunnelModel,
    *,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedToy:
    """Train one row from one seed; equal settings and seeds give equal parameters and bounds.

    The result holds the exact bound (quadrature), the importance-sampling estimate of the marginal likelihood with its
    Pareto k, the curve of the bound during training (2,000 draws a point), the parameters, and seconds of wall clock
    and of processor.
    """
    problem = toy_problem(config, row, seed, model)
    curve = [{"iteration": 0, "bound": _sampled_bound(problem, seed)}]

    def window(progress: Progress) -> None:
        if progress.iteration != curve[-1]["iteration"]:
            curve.append({"iteration": progress.iteration, "bound": _sampled_bound(problem, seed)})
        if on_progress is not None:
            on_progress(progress)

    processor = time.process_time()
    ending = fit(
        problem,
        toy_objective(config, row),
        toy_settings(config, config.iterations, metrics_every=max(1, config.iterations // _CURVE_POINTS)),
        generator=torch_generator(seed, stream=_TRAINING),
        on_progress=window,
    )
    processor = time.process_time() - processor
    if ending.ending != "iterations":
        return TrainedToy(ending=ending, result=None)
    mixture = problem.mixture
    with torch.no_grad():
        bound = float(exact_bound(model, mixture))
        log_weights = _log_weights(problem, _EVALUATION_DRAWS, torch_generator(seed, stream=_EVALUATION))
    evidence = log_ml_pooled(log_weights[None])
    tail = pareto_tail(log_weights.numpy().reshape(-1))  # equal weights, equal numbers of draws: one sample of q_mix
    return TrainedToy(
        ending=ending,
        result={
            "bound": bound,
            "log_ml_pooled": evidence.value,
            "log_ml_pooled_se": evidence.standard_error,
            "pareto_k": tail.k,
            "seconds": ending.seconds,
            "processor_seconds": processor,
            "means": mixture.means.tolist(),
            "log_variances": mixture.log_variances.tolist(),
            "curve": curve,
        },
    )


@torch.no_grad()
def _log_weights(problem: FunnelProblem, n_draws: int, generator: torch.Generator) -> torch.Tensor:
    """(A, K) log p(x, z) - log q_mix(z) of K = n_draws // A draws of each component."""
    plan = all_components(problem.n_components)
    terms = problem.draw(plan, n_draws // problem.n_components, generator)
    log_q_mix = mixture_log_prob(terms.log_q, normalised_log_weights(plan, None))
    return terms.log_likelihood + terms.log_prior - log_q_mix


def _sampled_bound(problem: FunnelProblem, seed: int) -> float:
    log_weights = _log_weights(problem, _CURVE_DRAWS, torch_generator(seed, stream=_CURVE))
    outer = torch.full((problem.n_components,), 1 / problem.n_components, dtype=torch.float64)
    # one draw inside the logarithm each: the average over draws of the bound
    return float(miselbo(log_weights.T[..., None], outer).mean())
