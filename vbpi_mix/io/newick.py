"""One Newick tree, with whatever is wrong with it named; `newick_list` is the fast reader of long lists."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.labels import TaxonLabels, first_repeated
from vbpi_mix.io.nexus_text import comment_end, unquote
from vbpi_mix.io.numbers import number
from vbpi_mix.phylo.topology import Topology, from_neighbours

# Mesquite's annotation of a node: <color = 5 >
_ANNOTATION = r"<[^<>]*=[^<>]*>"
_TOKEN = re.compile(
    r"[(),:;]|'[^']*(?:''[^']*)*'|\"[^\"]*\"(?=[\s(),:;\[<]|\Z)"
    r"|(?:[^\s(),:;\[<]|<(?![^<>]*=[^<>]*>))+"
)
_SKIPPED = re.compile(rf"\s+|{_ANNOTATION}")
# jplace files number the edges: A:0.1{3}
_EDGE_NUMBER = re.compile(r"\{[0-9]+\}\Z")
# lengths below zero by no more than this share of the longest are zero but for rounding
_ROUNDING = 1e-8


@dataclass
class Node:
    """A node while its tree is read; positions are those of its first character and of its length, from 1."""

    position: int
    kids: list["Node"] = field(default_factory=list)
    label: str = ""
    length: float | None = None
    length_position: int = 0


class NegativeLengthError(InputError):
    """A branch length is below zero by more than rounding; the topology can be used."""


def parse_newick(text: str, taxa: Sequence[str]) -> tuple[Topology, np.ndarray | None]:
    """The unrooted topology of one Newick tree, with its branch lengths if it has them.

    A tree with two edges at its root is unrooted: the two become one edge with the sum of their lengths. So do the
    edges at a node with one child, as redundant brackets make it. Labels of inner nodes, comments `[...]`, Mesquite's
    annotations `<...>`, edge numbers `{3}` behind lengths and the length above the root are passed over; the last
    semicolon may be missing. Labels stand in single quotes, double quotes or none. A length below zero by no more than
    rounding is zero.

    Labels are matched to taxa as `TaxonLabels` says: the exact name first; for a label without quotes then the only
    taxon that has the same name up to spaces read as underscores, or the reverse (and likewise for other signs that
    programs replace by underscores), then the only taxon whose first word is the label. Taxon names stay exactly
    what they are in the alignment.

    Arguments:
        text: `(A:0.1,(B:0.2,C:0.1):0.05,D:0.3);`, with or without lengths.
        taxa: (N,) names, N >= 3, in the order of the topology's tips.

    Returns:
        The topology, and (E,) branch lengths in its edge order or None.

    Raises:
        InputError: Taxa that are missing, unknown or repeated, a node with more than two children, lengths that are
            negative, not finite or given for some edges only, unbalanced brackets, text after the tree.

    Examples:
        >>> import vbpi_mix as vm
        >>> topology, lengths = vm.parse_newick("(A:0.1,(B:0.2,C:0.1):0.05,D:0.3);", ["A", "B", "C", "D"])
        >>> topology.newick(["A", "B", "C", "D"], lengths.tolist())
        '(A:0.1,(B:0.2,C:0.1):0.05,D:0.3);'
    """
    return read_tree(text, TaxonLabels(taxa))


def read_tree(
    text: str,
    labels: TaxonLabels,
    translate: Mapping[str, str] | None = None,
    where: str = "tree",
    *,
    with_lengths: bool = True,
) -> tuple[Topology, np.ndarray | None]:
    """`parse_newick` with a NEXUS TRANSLATE table and a name for messages.

    Arguments:
        text: one Newick tree.
        labels: the taxa.
        translate: token (without quotes) to label as written (with quotes where there are any).
        where: the tree's name in messages.
        with_lengths: False passes over what stands for lengths without reading it.

    Raises:
        InputError: as `parse_newick`.
    """
    root = _without_single(read_nodes(text, where, with_lengths))
    nodes = list(preorder(root))
    _check_lengths(nodes, text, where)
    tips = _tips(nodes, labels, translate or {}, where)
    _check_degrees(root, nodes, where)
    edges = list(_unrooted_edges(root, nodes))
    inner = [node for node in nodes if node.kids and not (node is root and len(root.kids) == 2)]
    n = len(labels.taxa)
    number = {id(node): i for i, node in tips.items()} | {id(node): n + i for i, node in enumerate(inner)}
    ends = [(number[id(a)], number[id(b)]) for a, b, _ in edges]
    neighbours: list[list[int]] = [[] for _ in range(2 * n - 2)]
    for a, b in ends:
        neighbours[a].append(b)
        neighbours[b].append(a)
    topology, canonical = from_neighbours(neighbours, n)
    given = [length for _, _, length in edges if length is not None]
    if not given:
        return topology, None
    if len(given) < len(edges):
        raise InputError(
            f"{where}: {len(edges) - len(given)} of its {len(edges)} edges have no length; give all lengths or none"
        )
    parents = topology.batch().parents()[0]
    lengths = np.empty(2 * n - 3)
    for (a, b), length in zip(ends, given, strict=True):
        u, v = int(canonical[a]), int(canonical[b])
        # an edge has the number of its lower end; only the one at taxon 0 hangs above no other node: edge 0
        lengths[0 if 0 in (u, v) else u if parents[u] == v else v] = length
    return topology, lengths


def tokens(text: str, where: str) -> Iterator[tuple[int, str]]:
    """(position from 1, token) of a Newick text, white space and comments (nested ones too) left out.

    Raises:
        InputError: a comment or quoted label that is never closed.
    """
    position = 0
    while position < len(text):
        if text[position] == "[":
            end = comment_end(text, position)
            if end < 0:
                raise InputError(f"{where}: the comment at {_excerpt(text, position)} is never closed")
            position = end
        elif match := _SKIPPED.match(text, position):
            position = match.end()
        elif match := _TOKEN.match(text, position):
            if match.group()[0] == "'" and (len(match.group()) == 1 or match.group()[-1] != "'"):
                raise InputError(f"{where}: the quoted label at {_excerpt(text, position)} is never closed")
            yield position + 1, match.group()
            position = match.end()
        else:
            raise InputError(f"{where}: unexpected text at {_excerpt(text, position)}")


def read_nodes(text: str, where: str, with_lengths: bool) -> Node:
    """The root of one Newick tree with everything below it, whatever its labels and degrees; see `parse_newick`.

    Raises:
        InputError: no tree, text after it, lengths that are none.
    """
    stack: list[Node] = []
    current: Node | None = None  # the last complete node, None where one must begin
    root: Node | None = None
    awaited, ended = "", False  # awaited: "length" after a colon, "label" after a closing bracket
    for position, token in tokens(text, where):
        if ended:
            raise InputError(
                f"{where}: text after the end of the tree at {_excerpt(text, position - 1)}; give one tree"
            )
        if awaited == "length":
            if current is not None:
                current.length = _length(token, text, position, where, with_lengths)
                current.length_position = position
            awaited = ""
        elif token == "(" and current is None:
            stack.append(Node(position))
        elif token in ",)" and stack and current is not None:
            stack[-1].kids.append(current)
            current, awaited = None, ""
            if token == ")":
                current, awaited = stack.pop(), "label"
                root = current
        elif token == ":" and current is not None and current.length is None:
            awaited = "length"
        elif token == ";" and current is not None and not stack:
            ended = True
        elif token not in "(),:;" and (current is None or awaited == "label"):
            if current is None:
                current = Node(position, label=token)
            awaited = ""
        else:
            raise InputError(f"{where}: unexpected {token!r} at {_excerpt(text, position - 1)}")
    if stack:
        raise InputError(
            f"{where}: the bracket opened at {_excerpt(text, stack[-1].position - 1)} is never closed; is the tree "
            "cut off?"
        )
    if awaited == "length":
        raise InputError(f"{where}: a colon without a length at the end of the tree")
    if root is None or root is not current:
        raise InputError(f"{where}: no tree in brackets found in {text[:40]!r}")
    return root


def _length(token: str, text: str, position: int, where: str, wanted: bool) -> float:
    if not wanted and token not in "(),:;":
        return 0.0
    value = number(_EDGE_NUMBER.sub("", token))
    if value is None and token.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        value = math.nan
    if value is None:
        at = _excerpt(text, position - 1)
        raise InputError(f"{where}: a branch length must follow the colon, not {token!r}, at {at}")
    if not math.isfinite(value):
        raise InputError(f"{where}: the branch length {token} at {_excerpt(text, position - 1)} is not finite")
    return value


def _check_lengths(nodes: Sequence[Node], text: str, where: str) -> None:
    """Set lengths that rounding made negative to zero."""
    below = [node for node in nodes if node.length is not None and node.length < 0]
    if below:
        longest = max(node.length for node in nodes if node.length is not None)
        for node in below:
            if node.length is not None and node.length < -_ROUNDING * max(longest, _ROUNDING):
                at = _excerpt(text, node.length_position - 1)
                raise NegativeLengthError(f"{where}: the branch length {node.length:g} at {at} is negative")
            node.length = 0.0


def _without_single(root: Node) -> Node:
    """The tree without its nodes of one child: their edges are joined, and above the root there is none."""
    while len(root.kids) == 1:
        root = root.kids[0]
    todo = [root]
    while todo:
        node = todo.pop()
        for i, kid in enumerate(node.kids):
            length = kid.length
            while len(kid.kids) == 1:
                kid = kid.kids[0]
                length = kid.length if length is None else length + (kid.length or 0.0)
            if kid is not node.kids[i]:
                kid.length = length
                node.kids[i] = kid
        todo.extend(node.kids)
    return root


def preorder(root: Node) -> Iterator[Node]:
    """All nodes, parents before children."""
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(reversed(node.kids))


def _tips(nodes: Sequence[Node], labels: TaxonLabels, translate: Mapping[str, str], where: str) -> dict[int, Node]:
    """Taxon index to tip; every taxon exactly once."""
    tips: dict[int, Node] = {}
    unknown = []
    for node in nodes:
        if node.kids:
            continue
        index = labels.find_written(node.label, translate)
        if index is None:
            unknown.append(unquote(translate.get(unquote(node.label), node.label)))
        elif index in tips:
            raise InputError(f"{where}: taxon {labels.taxa[index]!r} is there more than once")
        else:
            tips[index] = node
    repeated = first_repeated(unknown)
    if repeated is not None and len(set(unknown)) == 1 and len(tips) == len(labels.taxa):
        raise InputError(f"{where}: label {repeated!r} is there more than once")
    labels.check(tips, unknown, where)
    return tips


def _check_degrees(root: Node, nodes: Sequence[Node], where: str) -> None:
    wide = [node for node in nodes if len(node.kids) > (3 if node is root else 2)]
    if wide:
        raise InputError(
            f"{where}: {len(wide)} node{'s have' if len(wide) > 1 else ' has'} too many children (multifurcations), "
            f"the first {len(wide[0].kids)} at character {wide[0].position}; resolve them: only binary trees are read"
        )


def _unrooted_edges(root: Node, nodes: Sequence[Node]) -> Iterator[tuple[Node, Node, float | None]]:
    if len(root.kids) == 2:
        a, b = root.kids
        both = None if a.length is None or b.length is None else a.length + b.length
        yield a, b, both
    for node in nodes:
        if node is root and len(root.kids) == 2:
            continue
        for kid in node.kids:
            yield node, kid, kid.length


def _excerpt(text: str, position: int) -> str:
    """Place in the text, for a message: the character's number from 1 and an excerpt."""
    return f"character {position + 1} ({' '.join(text[position : position + 20].split())!r})"


def read_clades(text: str, labels: TaxonLabels, where: str = "tree") -> tuple[list[int], list[frozenset[int]]]:
    """The taxa of a Newick tree of some or all taxa, and the taxa below each inner node but the root.

    Multifurcations are allowed; lengths, labels of inner nodes and comments are passed over.

    Arguments:
        text: one tree.
        labels: the taxa that there may be.
        where: the tree's name in messages.

    Raises:
        InputError: as `parse_newick`, but that taxa may be missing.
    """
    root = _without_single(read_nodes(text, where, with_lengths=False))
    below: dict[int, frozenset[int]] = {}
    present: list[int] = []
    for node in reversed(list(preorder(root))):
        if node.kids:
            below[id(node)] = frozenset().union(*(below[id(kid)] for kid in node.kids))
            continue
        taxon = labels.find_written(node.label, {})
        if taxon is None:
            raise InputError(f"{where}: there is no taxon {unquote(node.label)!r}; taxa: {', '.join(labels.taxa)}")
        if taxon in present:
            raise InputError(f"{where}: taxon {labels.taxa[taxon]!r} is there more than once")
        present.append(taxon)
        below[id(node)] = frozenset([taxon])
    return sorted(present), [below[id(node)] for node in preorder(root) if node.kids and node is not root]
