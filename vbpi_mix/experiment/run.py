"""A run: a trained mixture with its configuration, in memory or in a folder."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vbpi_mix.anneal.result import AnnealedPosterior, load_annealed
from vbpi_mix.errors import CheckpointError, ConfigError
from vbpi_mix.evaluate import Evaluation, LearnedWeights, evaluate_log_weights
from vbpi_mix.evaluate.annealing import evaluate_annealing
from vbpi_mix.evaluate.sampling import WeightedTrees, draw_batches
from vbpi_mix.experiment.build import make_problem
from vbpi_mix.experiment.config import FitConfig, load_config
from vbpi_mix.experiment.folder import RunFolder
from vbpi_mix.experiment.inputs import RunInputs, load_inputs
from vbpi_mix.experiment.refresh import current_inputs
from vbpi_mix.experiment.reporter import Reporter, Silent, stage
from vbpi_mix.experiment.streams import EVALUATE_STREAM, SAMPLE_STREAM
from vbpi_mix.posterior import PosteriorDraws, WeightedSample
from vbpi_mix.posterior.annealed import annealed_draws, thinned
from vbpi_mix.posterior.sampling import draw_posterior, draw_trees
from vbpi_mix.seeding import numpy_generator, torch_generator
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import load_checkpoint
from vbpi_mix.variational import PhyloProblem

_BOUNDS = (4, 100)  # repeats and draws of each component for the bounds of a mixture that annealing began at
_FEWEST_TREES = 1000


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trained mixture.

    Arguments:
        config: All settings.
        inputs: Taxa, site patterns, support.
        problem: Target and mixture.
        iteration: Optimiser steps done.
        seconds: Training time.
        folder: Folder in which it is kept, or None.
        learned: The component weights found after training, if they were looked for; the mixture has them if they
            were kept.
        annealed: The trees of annealing, where the run finished with them.

    Examples:
        >>> import vbpi_mix as vm
        >>> run = vm.load("primates_run")
        >>> run.iteration
        20
        >>> evaluation = run.evaluate(n_particles=100, n_repeats=10)
        >>> evaluation.elbo.value < evaluation.lb10.value
        True
    """

    config: FitConfig
    inputs: RunInputs
    problem: PhyloProblem
    iteration: int
    seconds: float
    folder: RunFolder | None = None
    learned: LearnedWeights | None = None
    annealed: AnnealedPosterior | None = None

    def __repr__(self) -> str:
        n, parts = self.problem.n_components, self.inputs.parts
        model = f"models of {len(parts)} parts" if parts else f"model {self.config.model}"
        where = "in memory" if self.folder is None else f"in {self.folder.path}"
        return (
            f"Run of {self.config.data_name}: {len(self.inputs.taxa)} taxa, {model}, {n} "
            f"component{'s' if n > 1 else ''}, {self.iteration:,} iterations, {where}"
        )

    @classmethod
    def load(cls, path: Path | str) -> "Run":
        """Open the folder of a run, finished or not.

        Raises:
            ConfigError, CheckpointError: Not the folder of a run, or damaged.
        """
        folder = RunFolder(Path(path))
        if not folder.path.is_dir():
            raise ConfigError(f"{path}: no such folder; give the one that `vbpi-mix fit ... -o` wrote")
        config = load_config(folder.config)
        inputs = load_inputs(folder.inputs)
        if not folder.checkpoint.is_file():
            raise CheckpointError(f"{path}: training has not begun there; run `vbpi-mix fit` with --resume")
        saved = load_checkpoint(folder.checkpoint, identity=inputs.identity)
        inputs = current_inputs(inputs, saved.get("extra", {}))
        problem = make_problem(config, inputs)
        problem.load_state_dict(saved["model"])
        run = cls(
            config=config,
            inputs=inputs,
            problem=problem,
            iteration=saved["iteration"],
            seconds=saved["seconds"],
            folder=folder,
            annealed=load_annealed(folder.annealed) if folder.annealed.is_file() else None,
        )
        weights = saved.get("after", {}).get("weights")
        return run if weights is None else run.with_weights(LearnedWeights.from_dict(weights))

    def with_weights(self, learned: LearnedWeights) -> "Run":
        """A run with component weights found after training, which its mixture gets if they are kept; a copy."""
        old = self.problem
        mixture = deepcopy(old.mixture, {id(old.mixture.support): old.mixture.support})
        mixture.set_component_weights(learned.weights if learned.kept else None)
        problem = PhyloProblem(old.model, mixture, gradient=old.gradient)
        return replace(self, problem=problem, learned=learned)

    def weighted_draws(
        self,
        *,
        n_particles: int = 1000,
        n_repeats: int = 100,
        seed: int | None = None,
        reporter: Reporter | None = None,
    ) -> tuple[PosteriorDraws, np.ndarray]:
        """The trees of `weighted_sample` alone, and the (R, A, K) log weights for the marginal likelihood."""
        sample = self.weighted_sample(n_particles=n_particles, n_repeats=n_repeats, seed=seed, reporter=reporter)
        assert sample.log_weights is not None
        return sample.draws, sample.log_weights

    def weighted_sample(
        self,
        *,
        n_particles: int = 1000,
        n_repeats: int = 100,
        seed: int | None = None,
        reporter: Reporter | None = None,
        until: float | None = None,
    ) -> WeightedSample:
        """R * A * K trees with importance weights, and their summaries; see `draw_posterior`.

        Where the run finished by annealing: its equally weighted trees, whatever R and K are. Drawing ends early, after
        two repeats at least, at `until` (`time.perf_counter()`).
        """
        if self.annealed is not None:
            return self._annealed_sample(self.annealed, seed, reporter)
        return draw_posterior(
            self.problem,
            self.inputs.taxa,
            n_particles=n_particles,
            n_repeats=n_repeats,
            generator=torch_generator(self.config.seed if seed is None else seed, stream=EVALUATE_STREAM),
            on_progress=stage(reporter or Silent(), "evaluation"),
            until=until,
        )

    def _annealed_sample(
        self, annealed: AnnealedPosterior, seed: int | None, reporter: Reporter | None
    ) -> WeightedSample:
        """The annealed trees, as many as they are worth, and a few draws of the mixture for its bounds."""
        n_repeats, n_particles = _BOUNDS
        chosen = self.config.seed if seed is None else seed
        with torch_threads(1):
            log_weights = draw_batches(
                self.problem,
                n_particles=n_particles,
                n_repeats=n_repeats,
                generator=torch_generator(chosen, stream=EVALUATE_STREAM),
                on_progress=stage(reporter or Silent(), "evaluation"),
            )
        found = evaluate_annealing(annealed)
        few = thinned(annealed, max(_FEWEST_TREES, round(found.effective_size)))
        return WeightedSample(
            draws=annealed_draws(few, self.problem.model, self.inputs.taxa),
            log_weights=log_weights,
            component_weights=self.problem.mixture.component_weights,
            annealing=found,
        )

    def evaluate(
        self,
        *,
        n_particles: int = 1000,
        n_repeats: int = 100,
        seed: int | None = None,
        reporter: Reporter | None = None,
        use: Callable[[WeightedTrees], None] | None = None,
    ) -> Evaluation:
        """Bounds, marginal log-likelihood and diagnostics from R repeats of K draws per component.

        Where the run finished by annealing, what that found is part of the result.

        `use` is called with every batch of trees, for what else is to be made of them.
        """
        with torch_threads(1):
            log_weights = draw_batches(
                self.problem,
                n_particles=n_particles,
                n_repeats=n_repeats,
                generator=torch_generator(self.config.seed if seed is None else seed, stream=EVALUATE_STREAM),
                use=use,
                on_progress=stage(reporter or Silent(), "evaluation"),
            )
        found = evaluate_log_weights(log_weights, self.problem.mixture.component_weights)
        return found if self.annealed is None else replace(found, annealing=evaluate_annealing(self.annealed))

    def sample(self, n_trees: int, *, oversampling: int = 20, seed: int | None = None) -> PosteriorDraws:
        """`n_trees` equally weighted posterior trees, by sampling-importance-resampling.

        Arguments:
            n_trees: Number of trees.
            oversampling: Draws from the mixture per tree.
            seed: Seed of the draws; the run's own if None.
        """
        chosen = self.config.seed if seed is None else seed
        if self.annealed is not None:
            return annealed_draws(self.annealed, self.problem.model, self.inputs.taxa).resample(
                n_trees, numpy_generator(chosen, stream=SAMPLE_STREAM)
            )
        per_component = max(1, -(-n_trees * oversampling // self.problem.n_components))
        n_repeats = -(-per_component // 1000)
        draws = draw_trees(
            self.problem,
            self.inputs.taxa,
            n_particles=-(-per_component // n_repeats),
            n_repeats=n_repeats,
            generator=torch_generator(chosen, stream=SAMPLE_STREAM),
        )
        return draws.resample(n_trees, numpy_generator(chosen, stream=SAMPLE_STREAM))
