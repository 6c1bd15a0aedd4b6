"""The start of a fit: candidate topologies and what growth made of them, computed once for many mixtures.

It depends on data, candidates, model, prior and seed, and on nothing of the mixture that is trained from it.
"""

import hashlib
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vbpi_mix import provenance
from vbpi_mix.anneal.sampler import ChainSample
from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate.diagnostics.thresholds import WARNED_ERROR, WARNED_MISSING
from vbpi_mix.experiment.build import for_data, load_alignment, model_of
from vbpi_mix.experiment.candidates import chains_first, conforming, load_candidates, make_sources
from vbpi_mix.experiment.chains import sample_start
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.device import start_device
from vbpi_mix.experiment.kept_search import KeptSearch
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.streams import GROWTH_STREAM
from vbpi_mix.felsenstein import get_threads
from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.kept_results import KeptResults
from vbpi_mix.io.nexus import newick_label
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import Alignment, TreeSample
from vbpi_mix.seeding import torch_generator
from vbpi_mix.start import (
    Growth,
    GrowthSettings,
    SampledTrees,
    Start,
    find_parameters,
    grow_topologies,
    load_start,
    settle,
    weigh_by_frequency,
)
from vbpi_mix.start.keep_candidates import with_candidates
from vbpi_mix.support import SavedSupport, build_support

_TREES_OF_A_SUPPORT = 600


def start_settings(config: FitConfig, alignment: Alignment) -> dict[str, Any]:
    """Everything that the start depends on, without paths.

    Raises:
        ConfigError: candidates drawn from the folder of a run, which can change.
    """
    data = hashlib.sha256("\0".join(alignment.taxa).encode())
    data.update(alignment.state_sets.tobytes())
    settings: dict[str, Any] = {"alignment_sha256": data.hexdigest(), "seed": config.seed}
    if config.trees:
        settings["trees_sha256"] = [_file_hash(Path(path)) for path in config.trees]
        settings["burn_in"] = config.burn_in
    else:
        settings |= {"bootstrap": config.bootstrap, "bootstrap_replicates": config.bootstrap_replicates}
    settings["grown"] = config.recipe != "paper"
    if settings["grown"]:
        names = ("model", "branch_prior_rate", "keep_candidates", "start")
        settings |= {name: getattr(config, name) for name in names}
        settings["growth"] = asdict(GrowthSettings())
        if config.codon_positions:
            settings["codon_positions"] = True
        if config.partitions:
            settings["partitions_sha256"] = _file_hash(Path(config.partitions))
        for name in ("branch_prior", "priors", "constraints", "data_type"):
            if getattr(config, name) != getattr(FitConfig, name):
                settings[name] = str(getattr(config, name))
    return settings


def make_start(
    config: FitConfig,
    alignment: Alignment,
    reporter: Reporter,
    *,
    candidates: Callable[[bool], TreeSample] | None = None,
    keep: Callable[[ChainSample], None] | None = None,
    until: float | None = None,
    kept: KeptSearch | None = None,
    device: str = "cpu",
) -> Start:
    """Candidates by the configuration, grown and weighted unless the recipe takes them as they are.

    Where the posterior is flat, or the configuration says so, a sample of chains from the candidates takes the place of
    the grown list.

    Arguments:
        config: alignment, trees or bootstrap, model, prior, seed, recipe; the rest is not used.
        alignment: the data.
        reporter: told about progress.
        candidates: gives the candidates in place of `experiment.candidates.load_candidates`, told whether few will
            do.
        keep: called with the sample of the chains, if there is one.
        until: `time.perf_counter()` at which chains, or the search for topologies, end.
        kept: state from which an interrupted search goes on, and in which it keeps its findings.
        device: a word of `experiment.device.Device`: what weighs topologies; chains run on the CPU.
    """
    load, begun = os.getloadavg()[0], time.perf_counter()

    def gather(few: bool) -> TreeSample:
        return load_candidates(config, alignment, reporter, few=few) if candidates is None else candidates(few)

    few = chains_first(config, alignment)
    found = conforming(config, gather(few), reporter)
    candidates_done = time.perf_counter()
    made = {**provenance.describe(), "threads": get_threads(), "load_average": [load, os.getloadavg()[0]]}
    sample = None
    if config.recipe != "paper":
        sample = sample_start(config, alignment, found, reporter, until=until, kept=kept)
    if sample is not None:
        if keep is not None:
            keep(sample)
        return Start(
            topologies=weigh_by_frequency(alignment.taxa, _few_trees(sample)),
            seconds={"candidates": candidates_done - begun, "chains": time.perf_counter() - candidates_done},
            account=_chain_account(sample),
            made=made,
        )
    if few:
        found = conforming(config, gather(False), reporter)
    growth = None
    if config.recipe != "paper":
        results = kept and kept.results
        growth = grow_candidates(config, alignment, found, reporter, until=until, results=results, device=device)
    end = time.perf_counter()
    return Start(
        topologies=found if growth is None else growth.weighted,
        seconds={"candidates": candidates_done - begun, "growth": 0.0 if growth is None else end - candidates_done},
        account={} if growth is None else growth_account(growth),
        made=made,
    )


def _few_trees(sample: ChainSample) -> SampledTrees:
    """The trees of the chains, evenly spaced, as many as a support is made of."""
    n = len(sample.particles)
    rows = np.linspace(0, n - 1, min(n, _TREES_OF_A_SUPPORT)).astype(np.int64)
    few = sample.particles.take(rows)
    return SampledTrees(topologies=few.topologies, log_lengths=few.log_lengths, coordinates=few.coordinates)


def _chain_account(sample: ChainSample) -> dict[str, float | int]:
    """Record of the chains, flat and ready for JSON."""
    found = sample.convergence
    values = {
        "asdsf": found.asdsf,
        "largest_split_difference": found.largest,
        "r_hat": found.r_hat,
        "effective_size": found.effective_size,
    }
    counts = {"n_trees": len(sample.particles), "n_rounds": sample.n_rounds, "converged": int(sample.converged)}
    return {name: value for name, value in values.items() if math.isfinite(value)} | counts


def shared_start(config: FitConfig, path: Path, *, device: str = "cpu", reporter: Reporter | None = None) -> Start:
    """The start in a file, made and written there if it is not there yet.

    Arguments:
        config: see `make_start`.
        path: the file; its folder must exist.
        device: see `make_start`.
        reporter: told about progress.

    Raises:
        InputError: the file is damaged, or was made with other settings.
    """
    reporter = reporter or Silent()
    alignment = load_alignment(config, reporter)
    config = for_data(config, alignment)
    settings = start_settings(config, alignment)
    start = load_start(path, settings)
    if start is not None:
        reporter.message(f"{start.sample.n_trees:,} topologies to start from, read from {path.name}")
        return start
    for source in make_sources(config):
        source.check()
    start = replace(make_start(config, alignment, reporter, device=device), settings=settings)
    start.save(path)
    return start


def check_start(start: Start, config: FitConfig, alignment: Alignment) -> None:
    """Raise ConfigError unless a start was made for this configuration and this alignment."""
    other = start.other_setting(start_settings(config, alignment))
    if other is not None:
        key, then, now = other
        raise ConfigError(f"the start was made with {key} = {then}, not {now}")


def _file_hash(path: Path) -> str:
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: a shared start needs files of candidate trees")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def grow_candidates(
    config: FitConfig,
    alignment: Alignment,
    candidates: TreeSample,
    reporter: Reporter,
    *,
    until: float | None = None,
    results: KeptResults | None = None,
    device: str = "cpu",
) -> Growth:
    """Weigh the candidates, and look for what they lack; with `keep_candidates` those of negligible weight stay.

    Parameters of the model are at their optimum meanwhile, the same for all topologies. `device` is a word of
    `experiment.device.Device`: what computes branch lengths and curvatures under these parameters.
    """
    results = KeptResults() if results is None else results
    if len(results):
        reporter.message(f"the search goes on: {len(results):,} of its results are kept")
    model = model_of(config, alignment)
    coordinates = None
    fixed = model
    if model.parameters.n_coordinates:
        (coordinates,) = results.of(
            "parameters", (candidates.topologies.children,), lambda: (find_parameters(model, candidates.topologies),)
        )
        fixed = model.at(torch.from_numpy(coordinates))
        reporter.message(f"parameters at their optimum: {_described(model, coordinates)}")
    place = start_device(device, fixed, reporter)
    if place is not None:
        fixed = fixed.placed("triton", place)
    growth = grow_topologies(
        fixed,
        candidates,
        generator=torch_generator(config.seed, stream=GROWTH_STREAM),
        report=reporter.message,
        progress=lambda done, total, words: reporter.progress("topologies", done, total, words),
        until=until,
        results=results,
    )
    if config.keep_candidates:
        growth = replace(growth, weighted=with_candidates(fixed, growth.weighted, candidates))
    if coordinates is not None:
        growth = replace(growth, weighted=settle(model, growth.weighted, coordinates))
    weighted = growth.weighted
    reporter.message(
        f"{weighted.sample.n_trees:,} topologies weighted by Laplace's method: {weighted.effective_number:.1f} "
        f"effective ones, the best has {weighted.sample.weights[0]:.3f}; "
        f"log marginal likelihood {growth.log_evidence:.2f}"
        + (" under these parameters" if coordinates is not None else "")
    )
    if growth.missing > WARNED_MISSING:
        reporter.warning(
            f"the posterior is flat: {growth.drawn_share:.0%} of its weight is estimated from "
            f"{growth.effective_draws:,.0f} effective draws, about {growth.missing:.0%} was new in the last round"
            + ("" if growth.standard_error < WARNED_ERROR else "; more candidate trees may help")
        )
    return growth


def _described(model: PhyloModel, coordinates: np.ndarray) -> str:
    values = model.parameters.values(torch.from_numpy(coordinates)[None])[0].tolist()
    return ", ".join(f"{name} {value:.3g}" for name, value in zip(model.parameters.names, values, strict=True))


def growth_account(growth: Growth) -> dict[str, float | int]:
    """Record of the topologies found and of the share estimated to be missing, flat and ready for JSON."""
    values = {
        "log_evidence_laplace": growth.log_evidence,
        "best_probability": float(growth.weighted.sample.weights[0]),
        "effective_topologies": growth.weighted.effective_number,
        "missing_mass": growth.missing,
        "standard_error": growth.standard_error,
        "drawn_share": growth.drawn_share,
        "effective_draws": growth.effective_draws,
    }
    counts = {
        "n_topologies": growth.weighted.sample.n_trees,
        "n_weighed": growth.n_weighed,
        "n_evaluations": growth.n_evaluations,
        "complete": int(growth.complete),
    }
    return {name: value for name, value in values.items() if math.isfinite(value)} | counts


@dataclass(frozen=True, kw_only=True)
class GrownSupport:
    """A support with the account of how it came about.

    Arguments:
        saved: support, taxa and weighted topologies.
        growth: marginal likelihoods, rounds, estimates of what is missing.
        seconds: wall time, candidates included.
        peak_memory: peak memory of the process so far, bytes.
    """

    saved: SavedSupport
    growth: Growth
    seconds: float
    peak_memory: int


def grow_support(config: FitConfig, *, reporter: Reporter | None = None, keep: Path | None = None) -> GrownSupport:
    """Candidates by the configuration, grown and weighted, and the support of what is left.

    Arguments:
        config: alignment, trees or bootstrap, model, prior, seed; the rest is not used.
        reporter: told about progress.
        keep: file for the replicates of a bootstrap, see `support.veryfasttree_bootstrap`.
    """
    begin = time.perf_counter()
    reporter = reporter or Silent()
    alignment = load_alignment(config, reporter)
    config = for_data(config, alignment)
    candidates = conforming(config, load_candidates(config, alignment, reporter, keep=keep), reporter)
    growth = grow_candidates(config, alignment, candidates, reporter)
    sample = growth.weighted.sample
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return GrownSupport(
        saved=SavedSupport(support=build_support(sample.topologies), sample=sample),
        growth=growth,
        seconds=time.perf_counter() - begin,
        peak_memory=peak * (1 if sys.platform == "darwin" else 1024),
    )


def write_weights(sample: TreeSample, path: Path | str) -> None:
    """One line per topology, `probability<TAB>newick`, most probable first; `io.read_trees` reads it.

    Raises:
        InputError: the file cannot be written.
    """
    labels = [newick_label(name) for name in sample.taxa]
    with atomic_write(path) as file:
        for topology, probability in zip(sample.topologies, sample.probabilities().tolist(), strict=True):
            file.write(f"{probability:.9g}\t{topology.newick(labels)}\n")
