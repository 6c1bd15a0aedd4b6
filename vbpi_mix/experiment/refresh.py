"""New topologies in the middle of training: a second growth around what the mixture draws now.

A mixture can draw what its support holds and nothing else, so training never finds what the candidates lacked. A
refresh draws topologies from the mixture, weighs them and their neighbours as the start did, and takes those that the
support cannot represent into support, tables and optimiser state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from vbpi_mix.estimators import all_components
from vbpi_mix.experiment.build import make_mixture
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.inputs import RunInputs
from vbpi_mix.experiment.parameter_modes import model_at_mode
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.phylo import TreeSample, collect
from vbpi_mix.seeding import torch_generator
from vbpi_mix.start import GrowthSettings, WeightedTopologies, grow_topologies
from vbpi_mix.start.extend import extend_mixture
from vbpi_mix.support import SubsplitSupport, build_support, represented
from vbpi_mix.support.union import union
from vbpi_mix.train import Change, TrainableProblem
from vbpi_mix.variational import PhyloProblem

REFRESH_STREAM = 1000  # and the numbers that follow, one for each refresh
_DRAWS = 2000
_SMALLEST_SHARE = 1e-6  # of the posterior, of a topology that enters
# the mixture has found the optima that it can reach; what is left are their neighbours, and the neighbours of those
_SETTINGS = GrowthSettings(n_climbs=20, n_wide_climbs=0, max_neighbourhoods=200, n_draws=_DRAWS, max_rounds=2)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Topologies that a support lacks.

    Arguments:
        weighted: topologies that the larger support represents, those that the old one did included.
        support: the larger support, equal to the old one if nothing was found.
        n_new: topologies that only the larger one represents.
        share: share of the weight of these.
    """

    weighted: WeightedTopologies
    support: SubsplitSupport
    n_new: int
    share: float


def find_missing(problem: PhyloProblem, taxa: tuple[str, ...], generator: torch.Generator) -> Missing:
    """Grow a list of topologies from draws of the mixture, and see what its support cannot represent.

    Arguments:
        problem: target and mixture.
        taxa: their names.
        generator: source of the draws.
    """
    n_components = problem.n_components
    draws = problem.mixture.draw(all_components(n_components), -(-_DRAWS // n_components), generator)
    growth = grow_topologies(
        model_at_mode(problem, generator),
        collect(taxa, draws.encoded.topologies),
        generator=generator,
        settings=_SETTINGS,
    )
    old, sample = problem.mixture.support, growth.weighted.sample
    shares = sample.probabilities()
    enters = ~represented(old, sample.topologies) & (shares >= _SMALLEST_SHARE)
    support = union(old, build_support(sample.topologies[enters])) if enters.any() else old
    return Missing(
        weighted=_taken(growth.weighted, np.flatnonzero(represented(support, sample.topologies))),
        support=support,
        n_new=int(enters.sum()),
        share=float(shares[enters].sum()),
    )


def make_refresh(
    config: FitConfig, inputs: RunInputs, reporter: Reporter
) -> Callable[[int, TrainableProblem], Change | None]:
    """Function that `train.fit` calls every `config.refresh_every` iterations; its result depends on seed and iteration
    only.
    """

    @torch.no_grad()
    def refresh(iteration: int, problem: TrainableProblem) -> Change | None:
        assert isinstance(problem, PhyloProblem)
        generator = torch_generator(config.seed, stream=REFRESH_STREAM + iteration // config.refresh_every)
        missing = find_missing(problem, inputs.taxa, generator)
        if missing.n_new == 0:
            reporter.message(f"refresh at iteration {iteration:,}: the support lacks nothing that was found")
            return None
        reporter.message(
            f"refresh at iteration {iteration:,}: {missing.n_new:,} topologies with {missing.share:.2%} of the weight "
            f"are new; now {missing.support.n_pcsps:,} parent-child subsplit pairs"
        )
        mixture = make_mixture(config, missing.support, problem.model.parameters.n_coordinates)
        extension = extend_mixture(problem.mixture, mixture, missing.weighted, n_sites=problem.model.n_sites)
        return Change(
            problem=PhyloProblem(problem.model, mixture, gradient=problem.gradient),
            rows={f"mixture.{name}": rows for name, rows in extension.rows.items()},
            extra={"support": _as_tensors(missing.support)},
        )

    return refresh


def current_inputs(inputs: RunInputs, extra: Mapping[str, Any]) -> RunInputs:
    """The inputs of a run with the support that its checkpoint was trained on.

    Arguments:
        inputs: inputs with which the run began.
        extra: `extra` of its checkpoint.

    Raises:
        SupportError: damaged.
    """
    if "support" not in extra:
        return inputs
    arrays = {name: tensor.numpy() for name, tensor in extra["support"].items()}
    return replace(inputs, support=SubsplitSupport.from_arrays({**arrays, "splits": arrays["splits"].view(np.uint64)}))


def _as_tensors(support: SubsplitSupport) -> dict[str, torch.Tensor]:
    """Tensors that a checkpoint can hold: torch has no unsigned words."""
    arrays = support.arrays()
    return {
        name: torch.from_numpy(array.view(np.int64) if name == "splits" else array) for name, array in arrays.items()
    }


def _taken(weighted: WeightedTopologies, rows: np.ndarray) -> WeightedTopologies:
    sample = weighted.sample
    return WeightedTopologies(
        sample=TreeSample(taxa=sample.taxa, topologies=sample.topologies[rows], weights=sample.weights[rows]),
        modes=weighted.modes.take(rows),
        laplace=weighted.laplace.take(rows),
    )
