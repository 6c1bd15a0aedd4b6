"""Annealing of many particles at once on a device beside walks over one tree after another, for `benchmarks.gpu.run`.

Data are simulated along a random tree under JC69. Both begin at one density, fitted to a sample of chains, and each
chooses its own temperatures by a first group that does not count. Correctness comes first: if the marginal
likelihoods differ by more than their errors allow, nothing is reported.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.evolve import evolve_states, jukes_cantor
from vbpi_mix.anneal.batched.path_moves import BatchedMoves, BatchedSettings
from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.path_moves import LocalMoves, PathMoves
from vbpi_mix.anneal.sampler import Chains, SamplerSettings
from vbpi_mix.anneal.smc import AnnealSettings, anneal, pooled_log_ml
from vbpi_mix.anneal.target import typical_lengths
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, Topology, TopologyBatch, random_topologies
from vbpi_mix.threads import get_threads, set_threads

MEAN_LENGTH = 0.05
CPU_CORES = 2
APART, SLACK = 5.0, 0.3  # standard errors and nats that marginal likelihoods may differ by


@dataclass(frozen=True, kw_only=True)
class AnnealingSize:
    """Size of the comparison.

    Arguments:
        n_taxa, n_sites: size of the data.
        n_rounds: rounds of the chains that the density is fitted to.
        n_particles: particles of a group on the device.
        n_on_cpu: particles of a group on the CPU, whose time grows with their number alone.
        n_groups: groups that count, on each.
        moves: moves on the device; None: those of a fit.
        kept: see `AnnealSettings`.
    """

    n_taxa: int
    n_sites: int
    n_rounds: int
    n_particles: int
    n_on_cpu: int
    n_groups: int = 4
    moves: BatchedSettings | None = None
    kept: float = AnnealSettings.kept


WHOLE = AnnealingSize(n_taxa=100, n_sites=1000, n_rounds=150, n_particles=2000, n_on_cpu=64)
TINY = AnnealingSize(
    n_taxa=6, n_sites=30, n_rounds=60, n_particles=6, n_on_cpu=6, n_groups=3, kept=0.97,
    moves=BatchedSettings(interchanges=0.0, fewest=1, regrafts=1, trajectories=1, n_steps=1),
)  # fmt: skip


def simulated(n_taxa: int, n_sites: int) -> tuple[SitePatterns, Topology]:
    """Data evolved along a random tree, and the tree's topology."""
    generator = np.random.default_rng(n_taxa)
    (topology,) = random_topologies(1, n_taxa, generator)
    lengths = generator.exponential(MEAN_LENGTH, 2 * n_taxa - 3)
    root = generator.integers(4, size=n_sites)
    states = evolve_states(topology, root, jukes_cantor(lengths, generator))
    sets, weights = np.unique((1 << states).astype(np.uint8), axis=1, return_counts=True)
    return SitePatterns(state_sets=np.ascontiguousarray(sets), weights=weights.astype(np.float64)), topology


def chain_sample(model: PhyloModel, topology: Topology, n_rounds: int) -> Particles:
    """Trees of chains that begin at a topology."""
    settings = SamplerSettings(fewest=n_rounds, adapting=n_rounds // 4)
    n, topologies = settings.n_chains, topology.batch()
    starts = Particles(
        topologies=TopologyBatch(np.repeat(topologies.children, n, axis=0)),
        log_lengths=np.full((n, topologies.n_edges), math.log(MEAN_LENGTH)),
        coordinates=np.zeros((n, 0)),
        log_likelihood=np.zeros(n),
    )
    walker = Walker(model, topologies)
    chains = Chains(walker, starts, seed=np.random.SeedSequence(1), settings=settings, climb=False)
    chains.run(n_rounds)
    return chains.sample(0.3).particles


def compare_annealing(size: AnnealingSize, device: torch.device) -> list[dict[str, Any]]:
    """One row for the device and one for the CPU; SystemExit if their marginal likelihoods differ."""
    patterns, topology = simulated(size.n_taxa, size.n_sites)
    model = PhyloModel(patterns, size.n_taxa)
    sample = chain_sample(model, topology, size.n_rounds)
    reference = TreeReference(sample, np.ones(len(sample)))

    def scaling_of(some: PhyloModel) -> Scaling:
        scaling = Scaling(some)
        scaling.learn(sample.take(np.arange(0, len(sample), max(1, len(sample) // 500))))
        return scaling

    placed, walker = model.placed("triton", device), Walker(model, sample.topologies)
    moves: dict[str, tuple[PathMoves, int]] = {
        "device": (BatchedMoves(placed, scaling_of(placed), reference, settings=size.moves), size.n_particles),
        "cpu": (LocalMoves(walker, scaling_of(model), reference, typical_lengths(sample.log_lengths)), size.n_on_cpu),
    }
    threads = get_threads()
    rows = []
    for name, (each, n_particles) in moves.items():
        set_threads(CPU_CORES if name == "cpu" else threads)
        try:
            rows.append({"on": name} | _groups(each, n_particles, size, seed=len(rows)))
        finally:
            set_threads(threads)
    ours, theirs = rows
    difference = abs(ours["log_ml"] - theirs["log_ml"])
    if not difference < APART * math.hypot(ours["error"], theirs["error"]) + SLACK:
        raise SystemExit(f"wrong: log marginal likelihoods {ours['log_ml']:.2f} and {theirs['log_ml']:.2f} differ")
    for row in rows:
        row["times_cpu"] = row["particles_per_second"] / theirs["particles_per_second"]
    return rows


def _groups(moves: PathMoves, n_particles: int, size: AnnealingSize, *, seed: int) -> dict[str, Any]:
    """Marginal likelihood and particles annealed per second, by groups after a first one, which also compiles."""
    settings = AnnealSettings(n_particles=n_particles, kept=size.kept)
    pilot, *seeds = np.random.SeedSequence(seed).spawn(size.n_groups + 1)
    first = anneal(moves, seed=pilot, settings=settings)
    start = time.perf_counter()
    groups = [anneal(moves, seed=one, settings=settings, betas=first.betas, tuned=first.tuned) for one in seeds]
    seconds = (time.perf_counter() - start) / size.n_groups
    value, error = pooled_log_ml([group.log_ml for group in groups])
    ancestors = float(np.mean([group.n_ancestors for group in groups])) / n_particles
    return {
        "taxa": size.n_taxa, "particles": n_particles, "temperatures": len(first.betas), "log_ml": value,
        "error": error, "ancestors_left": ancestors, "seconds_a_group": seconds,
        "particles_per_second": n_particles / seconds,
    }  # fmt: skip
