"""From an alignment to a support and weighted topologies."""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from vbpi_mix.experiment.build import grow_candidates, load_alignment
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.sources import load_candidates
from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.nexus import quote_label
from vbpi_mix.phylo import TreeSample
from vbpi_mix.start import Growth
from vbpi_mix.support import SavedSupport, build_support


@dataclass(frozen=True, kw_only=True)
class GrownSupport:
    """A support with the account of how it came about.

    Arguments:
        saved: support, taxa and weighted topologies.
        growth: evidences, rounds, estimates of what is missing.
        seconds: wall time, candidates included.
        peak_memory: of the process so far, bytes.
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
    alignment = load_alignment(config.alignment, reporter)
    candidates = load_candidates(config, alignment, reporter, keep=keep)
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
    labels = [quote_label(name) for name in sample.taxa]
    with atomic_write(path) as file:
        for topology, probability in zip(sample.topologies, sample.probabilities().tolist(), strict=True):
            file.write(f"{probability:.9g}\t{topology.newick(labels)}\n")
