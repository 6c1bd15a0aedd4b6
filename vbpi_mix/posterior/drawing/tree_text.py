"""The consensus tree drawn with characters, for a terminal."""

import math
import re
import warnings

from vbpi_mix.posterior.consensus import ConsensusTree
from vbpi_mix.posterior.drawing.rooting import display_tree

_BEFORE = "\ue000"  # stands for the hyphen before a support, which taxa may have too
_BETWEEN = re.compile(rf"(?<=\d){_BEFORE}(?=\d\.\d\d)")  # two supports that would run together


def draw_consensus(consensus: ConsensusTree, *, outgroup: str | None = None) -> str:
    """Lines of text: the tree with its taxa at the tips and split supports (`0.97`) at the inner nodes.

    Branch lengths are not to scale. The root is there for drawing only and carries no support.

    Arguments:
        consensus: The tree.
        outgroup: Taxon at whose edge to root the drawing; the midpoint if not given.

    Raises:
        InputError: No taxon has the outgroup's name.

    Examples:
        >>> import vbpi_mix as vm
        >>> consensus = vm.consensus_tree(vm.summarise_splits(vm.load("primates_run").sample(100)))
        >>> "Homo_sapiens" in vm.draw_consensus(consensus, outgroup="Lemur_catta")
        True
    """
    with warnings.catch_warnings():  # of its own deprecated imports, nothing that a user could change
        warnings.simplefilter("ignore")
        from ete3 import TreeNode  # imported here: it takes half a second

    display = display_tree(consensus, outgroup=outgroup)
    nodes = [TreeNode() for _ in range(display.n_nodes)]  # not from Newick: labels must pass unread
    for node in display.pre_order():
        if node < consensus.n_taxa:
            nodes[node].name = display.taxa[node]
        elif math.isfinite(display.supports[node]):
            nodes[node].name = f"{_BEFORE}{display.supports[node]:.2f}"
        for child in display.children[node]:
            nodes[node].add_child(nodes[child])
    text = nodes[display.root].get_ascii(show_internal=True)
    text = _BETWEEN.sub(" ", text).replace(_BEFORE, "-")
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
