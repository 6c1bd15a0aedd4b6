"""A consensus tree as Newick and NEXUS text."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vbpi_mix.io.nexus import newick_label, quote_label, write_nexus_statements
from vbpi_mix.posterior.consensus import ConsensusTree
from vbpi_mix.posterior.export.annotated import AnnotatedTree


def consensus_newick(consensus: ConsensusTree, *, precision: int = 6) -> str:
    """Newick `(A:0.1,(B:0.2,C:0.1)0.97:0.05,...);`, the supports as labels of the inner nodes.

    The tree is unrooted, written from the neighbour of the first taxon; labels are quoted where Newick needs it.

    Arguments:
        consensus: the tree.
        precision: significant digits of supports and lengths.
    """

    def after(node: int) -> str:
        label = "" if node < consensus.n_taxa else f"{consensus.supports[node]:.{precision}g}"
        return f"{label}:{consensus.lengths[node]:.{precision}g}"

    return _newick(consensus, [newick_label(name) for name in consensus.taxa], after)


def consensus_nexus(consensus: ConsensusTree, *, precision: int = 6) -> str:
    """A NEXUS file with one tree whose nodes carry annotations in the form that FigTree and MrBayes use.

    Inner nodes have `prob` and `prob_stddev` (the standard error of the probability), all nodes `length_mean` and
    `length_sd`.
    """

    def after(node: int) -> str:
        notes = [] if node < consensus.n_taxa else [
            f"prob={consensus.supports[node]:.{precision}g}",
            f"prob_stddev={consensus.support_errors[node]:.{precision}g}",
        ]  # fmt: skip
        notes += [
            f"length_mean={consensus.lengths[node]:.{precision}g}",
            f"length_sd={consensus.length_sds[node]:.{precision}g}",
        ]
        return f"[&{','.join(notes)}]:{consensus.lengths[node]:.{precision}g}"

    labels = [quote_label(name) for name in consensus.taxa]
    numbers = [str(i) for i in range(1, consensus.n_taxa + 1)]
    translate = ",\n".join(f"        {number} {label}" for number, label in zip(numbers, labels, strict=True))
    lines = [
        "#NEXUS",
        f"[{consensus.describe()}]",
        "begin taxa;",
        f"    dimensions ntax={consensus.n_taxa};",
        "    taxlabels",
        *(f"        {label}" for label in labels),
        "    ;",
        "end;",
        "begin trees;",
        f"    translate\n{translate}\n    ;",
        f"    tree consensus = [&U] {_newick(consensus, numbers, after)}",
        "end;",
    ]
    return "\n".join(lines) + "\n"


def write_annotated(annotated: AnnotatedTree, name: str, path: Path | str, *, comments: Sequence[str] = ()) -> None:
    """A NEXUS file with one tree whose nodes carry `[&key=value]`, as MrBayes writes them and FigTree and treeio read.

    Keys of every node but the outermost, before the colon: `prob` (of the split; 1 for tips) and `prob_stddev` (its
    standard error), `length_mean`, `length_sd`, `length_median`, `length_95%HPD={low,high}`. The branch length is the
    mean. The tree is unrooted, a trifurcation or more at the outermost node.

    Arguments:
        annotated: the tree.
        name: name of the tree in the file.
        path: the file to write.
        comments: lines to put at the beginning.

    Raises:
        InputError: the file cannot be written.
    """
    tree = annotated.tree

    def after(node: int) -> str:
        low, high = annotated.intervals[node]
        values = {
            "prob": f"{tree.supports[node]:.9g}",
            "prob_stddev": f"{tree.support_errors[node]:.9g}",
            "length_mean": f"{tree.lengths[node]:.9g}",
            "length_sd": f"{tree.length_sds[node]:.9g}",
            "length_median": f"{annotated.medians[node]:.9g}",
            "length_95%HPD": f"{{{low:.9g},{high:.9g}}}",
        }
        notes = ",".join(f"{key}={value}" for key, value in values.items())
        return f"[&{notes}]:{tree.lengths[node]:.9g}"

    numbers = [str(i) for i in range(1, tree.n_taxa + 1)]
    statement = f"{name} = [&U] {_newick(tree, numbers, after)}"
    write_nexus_statements(path, tree.taxa, [statement], comments=[annotated.title, *comments])


def _newick(consensus: ConsensusTree, labels: list[str], after: Callable[[int], str]) -> str:
    """Newick text with `after(node)` behind every label or closing bracket but the outermost."""
    children = consensus.children()
    text = [*labels, *[""] * (consensus.n_nodes - consensus.n_taxa)]
    for node in range(consensus.n_taxa, consensus.n_nodes):  # children before parents
        text[node] = f"({','.join(text[child] + after(child) for child in children[node])})"
    return f"{text[consensus.top]};"
