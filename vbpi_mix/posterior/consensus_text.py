"""A consensus tree as Newick and NEXUS text."""

from collections.abc import Callable

from vbpi_mix.io.nexus import quote_label
from vbpi_mix.posterior.consensus import ConsensusTree


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

    return _newick(consensus, [quote_label(name) for name in consensus.taxa], after)


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


def _newick(consensus: ConsensusTree, labels: list[str], after: Callable[[int], str]) -> str:
    """Newick text with `after(node)` behind every label or closing bracket but the outermost."""
    children = consensus.children()
    text = [*labels, *[""] * (consensus.n_nodes - consensus.n_taxa)]
    for node in range(consensus.n_taxa, consensus.n_nodes):  # children before parents
        text[node] = f"({','.join(text[child] + after(child) for child in children[node])})"
    return f"{text[consensus.top]};"
