"""Candidate topologies from an alignment: IQ-TREE's ultrafast bootstrap, where the program is installed."""

import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from vbpi_mix.clock import time_is_up
from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo.alignment import IUPAC, Alignment
from vbpi_mix.phylo.tree_sample import TreeSample
from vbpi_mix.support.letters import plain_letters
from vbpi_mix.support.programs import run_program
from vbpi_mix.writing import SCRATCH_ENDING, cannot_write

IQTREE_PROGRAMS = ("iqtree3", "iqtree2", "iqtree")
_FEWEST_ULTRAFAST = 1000  # IQ-TREE refuses fewer
_OLDEST = (1, 6)
_SITES_A_THREAD = 500  # with fewer, threads wait for each other
_MOST_ITERATIONS = 1000  # the program's default; it ends earlier when the bootstrap supports have settled
_ITERATION = re.compile(r"^Iteration (\d{1,9}) ", re.MULTILINE)
Progress = Callable[[int, int], None]
_VERSION = re.compile(r"IQ-TREE\b.*?\bversion\s+(\d+)\.(\d+)")


class TimeIsUpError(BackendError):
    """The program was ended because its time was up."""


def iqtree_bootstrap(
    alignment: Alignment,
    n_replicates: int = 10_000,
    *,
    seed: int,
    n_threads: int = 1,
    model: str = "JC",
    progress: Progress | None = None,
    until: float | None = None,
    folder: Path | None = None,
) -> TreeSample:
    """Trees of IQ-TREE's ultrafast bootstrap, by the first of `IQTREE_PROGRAMS` on PATH: version 1.6, 2 or 3.

    One run of the program; a run that is interrupted begins anew.

    Arguments:
        alignment: N >= 4 taxa with any names.
        n_replicates: Number of bootstrap trees, >= 1000.
        seed: The user's seed, given to the program.
        n_threads: The program's threads at most; short alignments get fewer, which is faster. Results can depend on
            them.
        model: A substitution model in IQ-TREE's words; of data that are no nucleotides it is LG.
        progress: Called every second with (iterations of its search, their largest number).
        until: `time.perf_counter()` at which the program is ended; it writes its trees at the end only.
        folder: Folder for temporary files, under a name that the lock of a run's folder clears after a kill; the
            system's folder of temporary files if None.

    Returns:
        The distinct topologies, weighted by how often they were found.

    Raises:
        ConfigError: Fewer than 1000 replicates, or another number out of range.
        BackendError: The program is missing, too old, or fails.
        TimeIsUpError: It had not ended at `until`.
        InputError: The folder cannot be written.

    References:
        Hoang et al., UFBoot2: Improving the ultrafast bootstrap approximation, Molecular Biology and Evolution 2018.

    Examples:
        >>> import vbpi_mix as vm
        >>> vm.iqtree_bootstrap(vm.read_alignment("primates"), 10, seed=1)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        vbpi_mix.errors.ConfigError: IQ-TREE's ultrafast bootstrap needs n_replicates >= 1000, ...
    """
    if n_replicates < _FEWEST_ULTRAFAST or n_threads < 1 or seed < 0:
        raise ConfigError(
            f"IQ-TREE's ultrafast bootstrap needs n_replicates >= {_FEWEST_ULTRAFAST}, n_threads >= 1, seed >= 0; "
            f"got {n_replicates}, {n_threads}, {seed}"
        )
    program, version = find_iqtree()
    if alignment.sections or alignment.data_type.name != "dna":
        rows, nucleotides = plain_letters(alignment)
        model = model if nucleotides else "LG"
    else:
        symbols = np.full(16, ord("-"), dtype=np.uint8)
        for letter in "ACGTMRWSYKVHDB":
            symbols[IUPAC[letter]] = ord(letter)
        rows, nucleotides = symbols[alignment.state_sets], True
    names = [f"t{i}" for i in range(alignment.n_taxa)]
    n_threads = max(1, min(n_threads, alignment.n_sites // _SITES_A_THREAD))
    with _scratch(folder) as scratch:
        prefix = scratch / "bootstrap"

        def look() -> None:
            if time_is_up(until):
                raise TimeIsUpError(f"{Path(program).name} had not ended when its time was up")
            if progress is not None:
                progress(min(_iterations(prefix.with_suffix(".log")), _MOST_ITERATIONS), _MOST_ITERATIONS)

        fasta = prefix.with_suffix(".fasta")
        fasta.write_bytes(
            b"".join(b">%s\n%s\n" % (name.encode(), row.tobytes()) for name, row in zip(names, rows, strict=True))
        )
        settings = {"replicates": n_replicates, "seed": seed, "threads": n_threads, "prefix": prefix}
        words = _options(version, {name: str(value) for name, value in settings.items()}, nucleotides)
        run_program([program, "-s", str(fasta), "-m", model, *words], meanwhile=look)
        trees = prefix.with_suffix(".ufboot")
        if not trees.is_file():
            raise BackendError(f"{program} ended without an error but wrote no bootstrap trees ({trees.name})")
        return replace(read_trees([trees], names), taxa=alignment.taxa)


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="vbpi_mix_iqtree_") as name:
            yield Path(name)
        return
    path = folder / f".{secrets.token_hex(6)}{SCRATCH_ENDING}"
    try:
        path.mkdir()
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _iterations(log: Path) -> int:
    """Iterations of the tree search that the program's log tells of so far."""
    try:
        found = _ITERATION.findall(log.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return 0
    return int(found[-1]) if found else 0


def find_iqtree() -> tuple[str, tuple[int, int]]:
    """The program and its version.

    Raises:
        BackendError: none is on PATH, or its version cannot be told or is older than 1.6.
    """
    program = next((found for name in IQTREE_PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise BackendError(
            f"none of {', '.join(IQTREE_PROGRAMS)} is on PATH. Install IQ-TREE (Debian, Ubuntu: apt-get install "
            "iqtree; conda: conda install -c bioconda iqtree) or use the VeryFastTree bootstrap, which needs nothing"
        )
    output = run_program([program, "--version"])
    found = _VERSION.search(output)
    if found is None:
        raise BackendError(f"{program} --version said no version of IQ-TREE but: {output.strip()[:80]!r}")
    version = int(found[1]), int(found[2])
    if version < _OLDEST:
        raise BackendError(f"{program} is IQ-TREE {found[1]}.{found[2]}: version 1.6, 2 or 3 is needed")
    return program, version


def _options(version: tuple[int, int], values: dict[str, str], nucleotides: bool = True) -> list[str]:
    """The words for one version: version 2 renamed most options, and 3 kept the new names."""
    if version[0] == 1:
        names = ("-bb", "-seed", "-nt", "-pre", "-st")
        flags = ["-wbt", "-quiet"]
    else:
        names = ("-B", "--seed", "-T", "--prefix", "--seqtype")
        flags = ["--boot-trees", "--quiet"]
    given = (values["replicates"], values["seed"], values["threads"], values["prefix"], "DNA" if nucleotides else "AA")
    return [word for pair in zip(names, given, strict=True) for word in pair] + flags
