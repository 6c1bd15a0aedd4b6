"""Component weights after training: found on draws of a run, and held against equal ones."""

import numpy as np
import torch

from vbpi_mix.estimators import all_components
from vbpi_mix.evaluate import Estimate, LearnedWeights, choose_weights
from vbpi_mix.experiment.reporter import Reporter, stage
from vbpi_mix.experiment.run import Run
from vbpi_mix.seeding import torch_generator
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import FitResult, add_to_checkpoint
from vbpi_mix.variational import PhyloProblem

WEIGHTS_STREAM = 30


def find_weights(
    problem: PhyloProblem,
    *,
    n_particles: int,
    seed: int,
    reporter: Reporter,
    n_draws: int = 200_000,
    draws_at_once: int = 1000,
) -> LearnedWeights:
    """Learn weights from draws of the mixture as it is; the same for equal seeds.

    Arguments:
        problem: target and mixture; nothing of it is changed, and the weights it has do not matter.
        n_particles: number of particles of the bound that they are to raise.
        seed: seed of the draws.
        reporter: told about progress.
        n_draws: Draws of all components together, half to learn from and half to judge by.
        draws_at_once: Draws of a component in a repeat.
    """
    n_components = problem.n_components
    if n_components == 1:
        return LearnedWeights(
            weights=np.ones(1), n_particles=n_particles, gain=Estimate(value=0.0, standard_error=0.0), kept=False
        )
    n_repeats = 2 * max(1, n_draws // (2 * draws_at_once * n_components))
    generator, plan = torch_generator(seed, stream=WEIGHTS_STREAM), all_components(n_components)
    shape = (n_repeats, n_components, draws_at_once)
    log_joint, log_q = np.empty(shape), np.empty((*shape, n_components))
    tell = stage(reporter, "component weights")
    with torch.no_grad(), torch_threads(1):
        for repeat in range(n_repeats):
            trees = problem.mixture.draw(plan, draws_at_once, generator)
            log_likelihood, log_prior = problem.log_densities(trees)
            log_joint[repeat] = (log_likelihood + log_prior).numpy().reshape(shape[1:])
            log_q[repeat] = trees.log_q.T.numpy().reshape(log_q.shape[1:])
            tell(repeat + 1, n_repeats)
    return choose_weights(log_joint, log_q, n_particles=n_particles)


def finish_weights(run: Run, result: FitResult, reporter: Reporter) -> Run:
    """The run with learned weights, saved with it, if its settings ask for them and no signal ended the training.

    The weights raise the bound that training raised, of as many particles (`evaluate.component_weights`).
    Training does not know of them, so a run goes on as if they had not been learned, and learns them anew at its end.
    """
    if not run.config.learn_weights or result.ending == "signal":
        return run
    learned = find_weights(run.problem, n_particles=run.config.particles, seed=run.config.seed, reporter=reporter)
    reporter.message(f"component weights {learned.describe()}")
    if run.folder is not None:
        add_to_checkpoint(run.folder.checkpoint, {"weights": learned.to_dict()})
    return run.with_weights(learned)
