"""Trees of all loci in the forms that programs for gene trees read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vbpi_mix.batch.result import LocusResult, load_result
from vbpi_mix.batch.run import results_of
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.io.nexus import newick_label
from vbpi_mix.phylo import Topology
from vbpi_mix.posterior.export.tree_files import decimal
from vbpi_mix.writing import atomic_write

_BUCKY_TREES = 10_000  # that the counts of a .in file add up to


def export_loci(batch: Path, output: Path, form: str) -> list[Path]:
    """Write the trees of all finished loci of a batch.

    Arguments:
        batch: Folder of the batch.
        output: Folder to write to, or the one file of "astral" and "phylonet".
        form: One of `FORMS`: "newick" and "ale": a list of equally weighted trees with lengths for each locus;
            "bucky": topologies with counts for each locus, as `mbsum` writes them; "astral": one tree for each locus,
            the sampled topology of greatest clade credibility, with mean lengths and posterior probabilities of splits;
            "phylonet": NEXUS with all topologies of all loci and their probabilities.

    Returns:
        The files.

    Raises:
        ConfigError: an unknown form.
        InputError: no batch there, a file that cannot be written, or the taxa do not suit the form.
    """
    if form not in FORMS:
        raise ConfigError(f"unknown form '{form}': choose one of {', '.join(FORMS)}")
    return FORMS[form](batch, output)


def _one_file_each(ending: str, lines: Callable[[LocusResult], Iterator[str]]) -> Callable[[Path, Path], list[Path]]:
    def write(batch: Path, output: Path) -> list[Path]:
        files = []
        for result, path in _results(batch):
            name = output / f"{path.stem}{ending}"
            _make_folder(output)
            with atomic_write(name) as file:
                file.writelines(lines(result))
            files.append(name)
        return files

    return write


def newick_trees(result: LocusResult) -> Iterator[str]:
    """Equally weighted trees, one a line."""
    labels = [newick_label(name) for name in result.taxa]
    trees = result.trees()
    for topology, lengths in zip(trees.topologies, trees.branch_lengths, strict=True):
        yield topology.newick(labels, lengths.tolist(), precision=6) + "\n"


def bucky_lines(result: LocusResult) -> Iterator[str]:
    """Topologies with counts below a table of taxa, as `mbsum` writes them; every topology has at least one."""
    yield "translate\n"
    for i, name in enumerate(result.taxa, start=1):
        label = newick_label(name)
        if label.startswith("'"):
            raise InputError(f"{result.name}: BUCKy has no quotes, which the name {name!r} needs: rename the taxon")
        yield f"{i:>5} {label}{';' if i == result.n_taxa else ','}\n"
    numbers = [str(i) for i in range(1, result.n_taxa + 1)]
    counts = np.maximum(1, np.rint(result.probabilities * _BUCKY_TREES)).astype(np.int64)
    for topology, count in zip(result.topologies, counts.tolist(), strict=True):
        yield f"{topology.newick(numbers)} {count}\n"


def _astral(batch: Path, output: Path) -> list[Path]:
    _make_folder(output.parent)
    with atomic_write(output) as file:
        for result, _ in _results(batch):
            file.write(supported_tree(result) + "\n")
    return [output]


def supported_tree(result: LocusResult) -> str:
    """The sampled topology with the greatest product of split probabilities, mean lengths and supports, as Newick.

    Supports are posterior probabilities between 0 and 1 at inner nodes. The length of an edge is the mean over the
    trees that have it.
    """
    n = result.n_taxa
    clades, probability = result.split_frequencies()
    support = {row.tobytes(): p for row, p in zip(clades, probability.tolist(), strict=True)}
    words = result.topologies.clades()
    credibility = [sum(np.log(support[row.tobytes()]) for row in tree[n:]) for tree in words]
    best = int(np.argmax(credibility))
    topology = Topology(result.topologies.children[best])
    total: dict[bytes, list[float]] = {row.tobytes(): [] for row in words[best]}
    for number, lengths in zip(result.tree_topology.tolist(), result.branch_lengths, strict=True):
        for row, length in zip(words[number], lengths.tolist(), strict=True):
            key = row.tobytes()
            if key in total:
                total[key].append(length)
    means = [float(np.mean(x)) if x else 0.0 for x in (total[row.tobytes()] for row in words[best])]
    labels = [newick_label(name) for name in result.taxa]
    text = [f"{name}:{means[i]:.6g}" for i, name in enumerate(labels)] + [""] * (n - 2)
    for i, (left, right) in enumerate(topology.children.tolist()):
        node = n + i
        inner = f"{text[left]},{text[right]}"
        if node == 2 * n - 3:
            text[node] = inner
        else:
            text[node] = f"({inner}){support[words[best, node].tobytes()]:.4f}:{means[node]:.6g}"
    return f"({text[0]},{text[-1]});"


def _phylonet(batch: Path, output: Path) -> list[Path]:
    """A TREES block; loci with several trees are sets in braces of the commands, which the comment at the end names."""
    _make_folder(output.parent)
    sets = []
    with atomic_write(output) as file:
        file.write("#NEXUS\n\nBEGIN TREES;\n\n")
        for number, (result, _) in enumerate(_results(batch), start=1):
            labels = [newick_label(name) for name in result.taxa]
            names = []
            for k, (topology, p) in enumerate(zip(result.topologies, result.probabilities.tolist(), strict=True), 1):
                names.append(f"g{number}_{k}")
                file.write(f"Tree {names[-1]} = [&W {decimal(p)}] {topology.newick(labels)}\n")
            sets.append("{" + ",".join(names) + "}")
        file.write("\nEND;\n\n[loci for a PHYLONET command: (" + ",".join(sets) + ")]\n")
    return [output]


FORMS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "newick": _one_file_each(".nwk", newick_trees),
    "ale": _one_file_each(".trees", newick_trees),
    "bucky": _one_file_each(".in", bucky_lines),
    "astral": _astral,
    "phylonet": _phylonet,
}


def _results(batch: Path) -> Iterator[tuple[LocusResult, Path]]:
    for _, path in results_of(batch):
        yield load_result(path), path


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}") from error
