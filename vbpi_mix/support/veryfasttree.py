"""Candidate topologies from an alignment: bootstrap trees of VeryFastTree, which comes as a wheel."""

import hashlib
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from vbpi_mix.clock import time_is_up
from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.phylo.alignment import Alignment
from vbpi_mix.phylo.topology import Topology, stack
from vbpi_mix.phylo.tree_sample import TreeSample, collect
from vbpi_mix.support.letters import plain_letters
from vbpi_mix.support.polytomies import resolve_newick
from vbpi_mix.support.programs import run_program, stop_programs
from vbpi_mix.support.replicates import ReplicateFile

Progress = Callable[[int, int], None]
_NUCLEOTIDES, _PROTEINS = "-nt", "-lg"
_OPTIONS = ("-nocat", "-nosupport", "-double-precision", "-quiet", "-nopr", "-threads", "1")
_JOINED = ("-noml", "-nome")  # neighbour joining, and nothing after it
_STREAM_COLUMNS, _STREAM_POLYTOMIES = 0, 1


def veryfasttree_bootstrap(
    alignment: Alignment,
    n_replicates: int,
    *,
    seed: int,
    n_threads: int = 1,
    progress: Progress | None = None,
    keep: Path | None = None,
    until: float | None = None,
    rough: bool = False,
) -> TreeSample:
    """Trees that VeryFastTree finds for the alignment and for bootstrap resamples of its columns.

    Jukes-Cantor, or LG where the data are no nucleotides, without rate heterogeneity, approximately maximum
    likelihood. Discrete characters stand as letters of one or the other (`letters.plain_letters`). Each replicate is
    one single-threaded process; its columns and the resolution of its polytomies (equal sequences) come from its own
    random stream, so the result depends on the seed and not on the number of threads. Ambiguous characters count as
    gaps, as the program treats them.

    Arguments:
        alignment: N >= 4 taxa with any names.
        n_replicates: Number of resamples, >= 0; the tree of the alignment itself is always included.
        seed: The user's seed.
        n_threads: Processes at a time.
        progress: Called with (trees done, trees in all) from the calling thread.
        keep: A file that replicates are added to as they finish. Those found in it are not made again, so an
            interrupted bootstrap goes on where it stopped, and gives what it would have given.
        until: `time.perf_counter()` at which no further replicates are begun; the result depends on time then.
        rough: Neighbour joining only, in a tenth of the time: places to begin a search or chains at.

    Returns:
        The distinct topologies, weighted by how often they were found; n_replicates + 1 in all, unless time was up.

    Raises:
        ConfigError: A number out of range, or `keep` belongs to another bootstrap.
        BackendError: The program is missing, fails, or writes something else than trees.
        InputError: `keep` cannot be read or written.

    References:
        Pineiro, Abuin and Pichel, Very Fast Tree, Bioinformatics 2020. Felsenstein, Evolution 1985 (bootstrap).

    Examples:
        >>> import vbpi_mix as vm
        >>> sample = vm.veryfasttree_bootstrap(vm.read_alignment("primates"), 4, seed=1)
        >>> float(sample.weights.sum())  # four replicates, and the tree of the alignment itself
        5.0
    """
    if n_replicates < 0 or n_threads < 1 or seed < 0:
        raise ConfigError(
            f"bootstrap needs n_replicates >= 0, n_threads >= 1, seed >= 0; got {n_replicates}, {n_threads}, {seed}"
        )
    program = find_veryfasttree()
    rows, nucleotides = plain_letters(alignment)
    options = (_NUCLEOTIDES if nucleotides else _PROTEINS, *_OPTIONS, *(_JOINED if rough else ()))
    kept = None if keep is None else ReplicateFile(keep, _identity(rows, seed, options), alignment.n_taxa)

    def build(replicate: int) -> Topology:
        columns = slice(None)
        if replicate > 0:
            columns = _generator(seed, replicate, _STREAM_COLUMNS).integers(alignment.n_sites, size=alignment.n_sites)
        fasta = b"".join(b">%d\n%s\n" % (i, row.tobytes()) for i, row in enumerate(rows[:, columns]))
        newick = run_program([program, *options], fasta)
        return resolve_newick(newick, alignment.n_taxa, _generator(seed, replicate, _STREAM_POLYTOMIES))

    n_trees = n_replicates + 1
    trees = {i: tree for i, tree in (kept.finished if kept else {}).items() if i < n_trees}
    if trees and progress is not None:
        progress(len(trees), n_trees)
    pool = ThreadPoolExecutor(max_workers=n_threads)
    try:
        running = {pool.submit(build, replicate): replicate for replicate in range(n_trees) if replicate not in trees}
        for future in as_completed(running):
            replicate = running[future]
            trees[replicate] = future.result()
            if kept is not None:
                kept.append(replicate, trees[replicate])
            if progress is not None:
                progress(len(trees), n_trees)
            if time_is_up(until):
                break
    except BaseException:  # an error or an interrupt must not wait for the replicates
        pool.shutdown(wait=False, cancel_futures=True)
        stop_programs()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return collect(alignment.taxa, stack([trees[replicate] for replicate in sorted(trees)]))


def find_veryfasttree() -> str:
    """Path of the program inside the installed wheel or, where the wheel is not installed (conda), on PATH.

    Raises:
        BackendError: it is not there, or not to be executed.
    """
    try:
        import veryfasttree  # not above: it asks the processor for its features, which is slow
    except (ImportError, OSError, KeyError) as error:
        if isinstance(error, ImportError) and (found := shutil.which("VeryFastTree")):
            return found
        raise BackendError(f"VeryFastTree cannot be loaded ({error}): pip install veryfasttree") from error
    program = str(veryfasttree.VFT_BINARY)
    if not os.access(program, os.X_OK):
        raise BackendError(f"VeryFastTree's program {program} is missing or not executable: reinstall veryfasttree")
    return program


def _generator(seed: int, replicate: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(replicate, stream)))


def _identity(rows: np.ndarray, seed: int, options: tuple[str, ...]) -> str:
    """Identity of replicates: hash of sequences, seed and program."""
    try:
        program = version("veryfasttree")
    except PackageNotFoundError:
        program = "unknown"
    digest = hashlib.sha256(f"{seed} {program} {' '.join(options)} {rows.shape}".encode())
    digest.update(np.ascontiguousarray(rows).tobytes())
    return digest.hexdigest()
