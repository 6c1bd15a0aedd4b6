"""Candidate topologies from an alignment: bootstrap trees of programs made for speed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np

from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo.alignment import IUPAC, Alignment
from vbpi_mix.phylo.topology import Topology, stack
from vbpi_mix.phylo.tree_sample import TreeSample, collect
from vbpi_mix.support.polytomies import resolve_newick

Progress = Callable[[int, int], None]
IQTREE_PROGRAMS = ("iqtree3", "iqtree2", "iqtree")
_FEWEST_ULTRAFAST = 1000  # IQ-TREE refuses fewer
_STREAM_COLUMNS, _STREAM_POLYTOMIES = 0, 1


def veryfasttree_bootstrap(
    alignment: Alignment,
    n_replicates: int,
    *,
    seed: int,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> TreeSample:
    """Trees that VeryFastTree finds for the alignment and for bootstrap resamples of its columns.

    Jukes-Cantor without rate heterogeneity, approximately maximum likelihood. Each replicate is one single-threaded
    process; its columns and the resolution of its polytomies (equal sequences) come from its own random
    stream, so the result depends on the seed and not on the number of threads. Ambiguous characters count as gaps,
    as the program treats them.

    Arguments:
        alignment: N >= 4 taxa with any names.
        n_replicates: number of resamples, >= 0; the tree of the alignment itself is always included.
        seed: the user's seed.
        n_threads: processes at a time.
        progress: called with (trees done, trees in all) from the calling thread.

    Returns:
        The distinct topologies, weighted by how often they were found; n_replicates + 1 in all.

    Raises:
        ConfigError: a number out of range.
        BackendError: the program is missing, fails, or writes something else than trees.

    References:
        Pineiro, Abuin and Pichel, Very Fast Tree, Bioinformatics 2020. Felsenstein, Evolution 1985 (bootstrap).
    """
    if n_replicates < 0 or n_threads < 1 or seed < 0:
        raise ConfigError(
            f"bootstrap needs n_replicates >= 0, n_threads >= 1, seed >= 0; got {n_replicates}, {n_threads}, {seed}"
        )
    program = _veryfasttree()
    symbols = np.full(16, ord("-"), dtype=np.uint8)
    symbols[[1, 2, 4, 8]] = [ord(x) for x in "ACGT"]
    rows = symbols[alignment.state_sets]

    def build(replicate: int) -> Topology:
        columns = slice(None)
        if replicate > 0:
            columns = _generator(seed, replicate, _STREAM_COLUMNS).integers(alignment.n_sites, size=alignment.n_sites)
        fasta = b"".join(b">%d\n%s\n" % (i, row.tobytes()) for i, row in enumerate(rows[:, columns]))
        newick = _run(
            [program, "-nt", "-nocat", "-nosupport", "-double-precision", "-quiet", "-nopr", "-threads", "1"], fasta
        )
        return resolve_newick(newick, alignment.n_taxa, _generator(seed, replicate, _STREAM_POLYTOMIES))

    n_trees = n_replicates + 1
    trees: list[Topology | None] = [None] * n_trees
    pool = ThreadPoolExecutor(max_workers=n_threads)
    try:
        running = {pool.submit(build, replicate): replicate for replicate in range(n_trees)}
        for done, future in enumerate(as_completed(running), start=1):
            trees[running[future]] = future.result()
            if progress is not None:
                progress(done, n_trees)
    finally:  # an error or an interrupt must not wait for the replicates not yet begun
        pool.shutdown(cancel_futures=True)
    return collect(alignment.taxa, stack([tree for tree in trees if tree is not None]))


def iqtree_bootstrap(
    alignment: Alignment, n_replicates: int = 10_000, *, seed: int, n_threads: int = 1, model: str = "JC"
) -> TreeSample:
    """Trees of IQ-TREE's ultrafast bootstrap, by the first of `IQTREE_PROGRAMS` on PATH.

    Arguments:
        alignment: N >= 4 taxa with any names.
        n_replicates: number of bootstrap trees, >= 1000.
        seed: the user's seed, given to the program.
        n_threads: the program's threads. Results can depend on them.
        model: a substitution model in IQ-TREE's words.

    Returns:
        The distinct topologies, weighted by how often they were found.

    Raises:
        ConfigError: fewer than 1000 replicates, or another number out of range.
        BackendError: the program is missing or fails.

    References:
        Hoang et al., UFBoot2: Improving the ultrafast bootstrap approximation, Molecular Biology and Evolution 2018.
    """
    if n_replicates < _FEWEST_ULTRAFAST or n_threads < 1 or seed < 0:
        raise ConfigError(
            f"IQ-TREE's ultrafast bootstrap needs n_replicates >= {_FEWEST_ULTRAFAST}, n_threads >= 1, seed >= 0; "
            f"got {n_replicates}, {n_threads}, {seed}"
        )
    program = next((found for name in IQTREE_PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise BackendError(
            f"none of {', '.join(IQTREE_PROGRAMS)} is on PATH. Install IQ-TREE (Debian, Ubuntu: apt-get install "
            "iqtree; conda: conda install -c bioconda iqtree) or use the VeryFastTree bootstrap, which needs nothing"
        )
    symbols = np.full(16, ord("-"), dtype=np.uint8)
    for letter in "ACGTMRWSYKVHDB":
        symbols[IUPAC[letter]] = ord(letter)
    names = [f"t{i}" for i in range(alignment.n_taxa)]
    with tempfile.TemporaryDirectory(prefix="vbpi_mix_iqtree_") as folder:
        prefix = Path(folder) / "bootstrap"
        fasta = prefix.with_suffix(".fasta")
        fasta.write_bytes(
            b"".join(
                b">%s\n%s\n" % (name.encode(), symbols[row].tobytes())
                for name, row in zip(names, alignment.state_sets, strict=True)
            )
        )
        # the option names that versions 1.6, 2 and 3 have in common
        command = [program, "-s", str(fasta), "-st", "DNA", "-m", model, "-bb", str(n_replicates), "-wbt"]
        command += ["-seed", str(seed), "-nt", str(n_threads), "-pre", str(prefix), "-quiet"]
        _run(command, b"")
        trees = prefix.with_suffix(".ufboot")
        if not trees.is_file():
            raise BackendError(f"{program} ended without an error but wrote no bootstrap trees (-wbt)")
        return replace(read_trees([trees], names), taxa=alignment.taxa)


def _generator(seed: int, replicate: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(replicate, stream)))


def _veryfasttree() -> str:
    try:
        import veryfasttree  # not above: it asks the processor for its features, which is slow
    except (ImportError, OSError, KeyError) as error:
        raise BackendError(f"VeryFastTree cannot be loaded ({error}): pip install veryfasttree") from error
    program = str(veryfasttree.VFT_BINARY)
    if not os.access(program, os.X_OK):
        raise BackendError(f"VeryFastTree's program {program} is missing or not executable: reinstall veryfasttree")
    return program


def _run(command: list[str], standard_input: bytes) -> str:
    """What a program writes to its standard output.

    Raises:
        BackendError: it cannot be started or ends with an error.
    """
    try:
        done = subprocess.run(command, input=standard_input, capture_output=True, check=False)
    except OSError as error:
        raise BackendError(f"{command[0]} cannot be started: {error}") from error
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace").strip() or output.strip() or "nothing").splitlines()[-3:]
        raise BackendError(f"{Path(command[0]).name} ended with status {done.returncode} and said: {' '.join(said)}")
    return output
