"""Candidate topologies from an alignment: IQ-TREE's ultrafast bootstrap, where the program is installed."""

import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo.alignment import IUPAC, Alignment
from vbpi_mix.phylo.tree_sample import TreeSample
from vbpi_mix.support.letters import plain_letters
from vbpi_mix.support.programs import run_program

IQTREE_PROGRAMS = ("iqtree3", "iqtree2", "iqtree")
_FEWEST_ULTRAFAST = 1000  # IQ-TREE refuses fewer
_OLDEST = (1, 6)
_VERSION = re.compile(r"IQ-TREE\b.*?\bversion\s+(\d+)\.(\d+)")


def iqtree_bootstrap(
    alignment: Alignment, n_replicates: int = 10_000, *, seed: int, n_threads: int = 1, model: str = "JC"
) -> TreeSample:
    """Trees of IQ-TREE's ultrafast bootstrap, by the first of `IQTREE_PROGRAMS` on PATH: version 1.6, 2 or 3.

    One run of the program; a run that is interrupted begins anew.

    Arguments:
        alignment: N >= 4 taxa with any names.
        n_replicates: number of bootstrap trees, >= 1000.
        seed: the user's seed, given to the program.
        n_threads: the program's threads. Results can depend on them.
        model: a substitution model in IQ-TREE's words; of data that are no nucleotides it is LG.

    Returns:
        The distinct topologies, weighted by how often they were found.

    Raises:
        ConfigError: fewer than 1000 replicates, or another number out of range.
        BackendError: the program is missing, too old, or fails.

    References:
        Hoang et al., UFBoot2: Improving the ultrafast bootstrap approximation, Molecular Biology and Evolution 2018.
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
    with tempfile.TemporaryDirectory(prefix="vbpi_mix_iqtree_") as folder:
        prefix = Path(folder) / "bootstrap"
        fasta = prefix.with_suffix(".fasta")
        fasta.write_bytes(
            b"".join(b">%s\n%s\n" % (name.encode(), row.tobytes()) for name, row in zip(names, rows, strict=True))
        )
        settings = {"replicates": n_replicates, "seed": seed, "threads": n_threads, "prefix": prefix}
        words = _options(version, {name: str(value) for name, value in settings.items()}, nucleotides)
        run_program([program, "-s", str(fasta), "-m", model, *words])
        trees = prefix.with_suffix(".ufboot")
        if not trees.is_file():
            raise BackendError(f"{program} ended without an error but wrote no bootstrap trees ({trees.name})")
        return replace(read_trees([trees], names), taxa=alignment.taxa)


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
    said = run_program([program, "--version"])
    found = _VERSION.search(said)
    if found is None:
        raise BackendError(f"{program} --version said no version of IQ-TREE but: {said.strip()[:80]!r}")
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
