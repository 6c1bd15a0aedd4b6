"""One locus from file to result: a function of data and options, for processes that stay warm."""

import resource
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.path_moves import LocalMoves
from vbpi_mix.anneal.sampler import ChainSample
from vbpi_mix.anneal.smc import AnnealSettings, anneal, pooled_log_ml
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.batch.options import Locus
from vbpi_mix.batch.result import LocusResult
from vbpi_mix.batch.short_chains import ShortSettings, level_of_agreement, sample_locus
from vbpi_mix.batch.table import Row, row_of_error, row_of_result
from vbpi_mix.errors import VBPIError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.model import PhyloModel, parse_branch_prior, parse_priors
from vbpi_mix.phylo import Alignment, site_patterns
from vbpi_mix.threads import set_threads, torch_threads

_N_GROUPS = 4
_ANNEALED_BY = AnnealSettings(n_particles=32)


@dataclass(frozen=True, kw_only=True)
class LocusTask:
    """Input of a worker: one locus and its options.

    Arguments:
        locus: The alignment and its options.
        output: Folder of the batch, which workers and master both see.
    """

    locus: Locus
    output: Path


def do_locus(task: LocusTask) -> Row:
    """Infer a locus and write its result; what goes wrong with it becomes a row."""
    begun = time.perf_counter(), _processor_seconds()
    locus = task.locus
    key = ""
    try:
        key = locus.key()
        result = infer_locus(locus, key, task.output)
        path = locus.result_path(task.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        result.save(path)
    except VBPIError as error:
        return row_of_error(locus.name, key, str(error), _seconds(begun))
    except MemoryError:
        return row_of_error(locus.name, key, "not enough memory", _seconds(begun))
    except Exception as error:  # noqa: BLE001 - one locus must not end the run of all
        return row_of_error(locus.name, key, f"{type(error).__name__}: {error}", _seconds(begun))
    return row_of_result(result, _seconds(begun))


def infer_locus(locus: Locus, key: str, output: Path | None = None) -> LocusResult:
    """The posterior of one locus, by its options.

    Arguments:
        locus: The alignment and its options.
        key: Kept in the result.
        output: Folder of the batch, which keeps the run of a whole fit; needed for the depth "fit", and for "auto"
            where short chains do not agree.

    Raises:
        VBPIError: the alignment or the options cannot be used.
    """
    set_threads(1)
    with torch_threads(1):
        if locus.options.depth == "fit":
            return _fit(locus, key, output)
        alignment = read_alignment(locus.path)
        model = _model(locus, alignment)
        settings = ShortSettings(largest=locus.options.agreement)
        sample = sample_locus(alignment, model, seed=locus.options.seed, settings=settings)
        if locus.options.depth == "auto" and not sample.converged and output is not None:
            return _fit(locus, key, output)
        result = _result(locus, key, alignment, model, sample)
        if locus.options.depth == "anneal":
            result = replace(result, depth="anneal", log_ml=_log_ml(model, sample, locus.options.seed))
        return result


def _model(locus: Locus, alignment: Alignment) -> PhyloModel:
    options = locus.options
    return PhyloModel(
        site_patterns(alignment),
        alignment.n_taxa,
        substitution_model=options.model,
        branch_prior=parse_branch_prior(options.branch_prior, options.branch_prior_rate),
        priors=parse_priors(options.prior_list),
    )


def _result(locus: Locus, key: str, alignment: Alignment, model: PhyloModel, sample: ChainSample) -> LocusResult:
    particles = sample.particles
    rows = np.linspace(0, len(particles) - 1, min(locus.options.trees, len(particles))).astype(np.int64)
    with torch.no_grad():
        values = model.parameters.values(torch.from_numpy(particles.coordinates[rows])).numpy()
    found = sample.convergence
    level = level_of_agreement(sample)
    words = {"good": "two groups of chains agree", "fair": "two groups of chains agree fairly"}
    distinct, number = particles.topologies.unique()
    counts = np.bincount(number, minlength=distinct.n_trees)
    order = np.argsort(-counts, kind="stable")
    place = np.argsort(order, kind="stable")
    return LocusResult(
        name=locus.name,
        key=key,
        taxa=alignment.taxa,
        topologies=distinct[order],
        probabilities=counts[order] / counts.sum(),
        tree_topology=place[number[rows]],
        branch_lengths=np.exp(particles.log_lengths[rows]),
        parameters=values,
        parameter_names=model.parameters.names,
        n_sites=alignment.n_sites,
        depth="topologies",
        level=level,
        verdict=f"{words.get(level, 'two groups of chains differ')}: ASDSF {found.asdsf:.4f}, largest difference of a "
        f"split {found.largest:.3f}, {sample.n_rounds} rounds",
        agreement={
            "asdsf": found.asdsf,
            "largest_difference": found.largest,
            "n_trees": float(len(particles)),
            "n_rounds": float(sample.n_rounds),
        },
    )


def _log_ml(model: PhyloModel, sample: ChainSample, seed: int) -> tuple[float, float]:
    """Log marginal likelihood, by groups of particles annealed from a density fitted to the chains' trees."""
    walker = Walker(model)
    particles = sample.particles
    reference = TreeReference(particles, np.ones(len(particles)), sample.chains)
    seeds = np.random.SeedSequence(entropy=seed, spawn_key=(24,)).spawn(_N_GROUPS + 1)
    moves = LocalMoves(walker, sample.scaling, reference, sample.typical)
    betas = None
    groups = []
    for one in seeds:  # the first group chooses the temperatures, and does not count
        found = anneal(moves, seed=one, settings=_ANNEALED_BY, betas=betas)
        if betas is None:
            betas = found.betas
        else:
            groups.append(found.log_ml)
    return pooled_log_ml(groups)


def _fit(locus: Locus, key: str, output: Path | None) -> LocusResult:
    """The default recipe, its run kept below the folder of the batch."""
    from vbpi_mix.analysis.summary import summarise  # not above: most loci need nothing of it
    from vbpi_mix.evaluate.diagnostics.diagnostic import worst
    from vbpi_mix.experiment import fit_folder, make_config

    options = locus.options
    path = locus.run_path(output or Path())
    shutil.rmtree(path, ignore_errors=True)  # of other data or options, or half done
    path.parent.mkdir(parents=True, exist_ok=True)
    config = make_config(
        alignment=str(locus.path),
        model=options.model,
        branch_prior=options.branch_prior,
        branch_prior_rate=options.branch_prior_rate,
        priors=options.prior_list,
        seed=options.seed,
    )
    run, _ = fit_folder(config, path)
    summary = summarise(run)
    draws = run.sample(max(4 * options.trees, 2000))
    distinct, number = draws.topologies.unique()
    counts = np.bincount(number, minlength=distinct.n_trees)
    order = np.argsort(-counts, kind="stable")
    place = np.argsort(order, kind="stable")
    rows = np.linspace(0, draws.n_trees - 1, min(options.trees, draws.n_trees)).astype(np.int64)
    evaluation = summary.evaluation
    best = evaluation.log_ml if evaluation.annealing is None else evaluation.annealing.log_ml
    return LocusResult(
        name=locus.name,
        key=key,
        taxa=draws.taxa,
        topologies=distinct[order],
        probabilities=counts[order] / counts.sum(),
        tree_topology=place[number[rows]],
        branch_lengths=draws.branch_lengths[rows],
        parameters=draws.parameters[rows],
        parameter_names=draws.parameter_names,
        n_sites=int(run.inputs.patterns.n_sites),
        depth="fit",
        level=worst(summary.diagnosis.diagnostics),
        verdict=summary.verdict,
        log_ml=(best.value, best.standard_error),
    )


def _seconds(begun: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - begun[0], _processor_seconds() - begun[1]


def _processor_seconds() -> float:
    """Processor time of this process and of the programs that it started, in seconds."""
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(x.ru_utime + x.ru_stime for x in both)


def warm_up() -> Callable[[LocusTask], Row]:
    """Load everything that a process needs for loci."""
    set_threads(1)
    torch.set_num_threads(1)
    return do_locus
