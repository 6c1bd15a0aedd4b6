"""Many trees at once as tensors, and their changes: interchanges and regrafts, one in every tree.

Letters: P trees of N taxa, V = 2N - 2 nodes, W words of a set of taxa. Functions return new tensors.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.anneal.trees import canonical_trees, clade_hashes
from vbpi_mix.felsenstein.gpu.launch import PlacedTopologies
from vbpi_mix.phylo import TopologyBatch, clades


class Trees(NamedTuple):
    """P trees that hang from taxon 0; nodes N..V-1 are internal, in any order.

    Arguments:
        kids: (P, V, 2) children; 0 for tips.
        up: (P, V) parents; 0 for the top node and for taxon 0.
        sizes: (P, V) number of taxa below; 1 for taxon 0.
        hashes: (P, V) hash of the taxa below, see `anneal.trees.clade_hashes`; 0 for taxon 0.
        sets: (P, V, W) taxa below as bit sets; none for taxon 0.
    """

    kids: Tensor
    up: Tensor
    sizes: Tensor
    hashes: Tensor
    sets: Tensor

    @property
    def n_trees(self) -> int:
        return self.up.shape[0]

    @property
    def n_taxa(self) -> int:
        return (self.up.shape[1] + 2) // 2

    @property
    def rows(self) -> Tensor:
        """(P,) numbers of the trees."""
        return torch.arange(self.n_trees, device=self.up.device)

    @property
    def top(self) -> Tensor:
        """(P,) the nodes next to taxon 0."""
        return self.sizes.argmax(dim=1)

    def siblings(self, nodes: Tensor) -> Tensor:
        """(P, n) siblings of nodes (P, n)."""
        both = self.kids[self.rows[:, None], self.up.gather(1, nodes)]
        return torch.where(both[..., 0] == nodes, both[..., 1], both[..., 0])


class Layout(NamedTuple):
    """The form in which the likelihood takes trees.

    Arguments:
        topologies: P topologies, whose nodes are in post-order.
        nodes: (P, E) the node below each edge of these.
    """

    topologies: TopologyBatch
    nodes: Tensor


def make_trees(topologies: TopologyBatch, device: torch.device) -> Trees:
    """Topologies as tensors on a device."""
    n, n_trees = topologies.n_taxa, topologies.n_trees
    kids = np.zeros((n_trees, 2 * n - 2, 2), dtype=np.int64)
    kids[:, n:] = topologies.children
    up = topologies.parents().astype(np.int64)
    up[:, 0] = 0
    sets = topologies.node_clades()
    sizes = clades.sizes(sets)
    sizes[:, 0] = 1
    hashes = clade_hashes(topologies)
    arrays = (kids, up, sizes, hashes.view(np.int64), sets.view(np.int64))
    return Trees(*(torch.from_numpy(a).to(device) for a in arrays))


def node_lengths(log_lengths: np.ndarray, device: torch.device) -> Tensor:
    """(P, V) log lengths of the edges above nodes, 0 for taxon 0, from those of edges (P, E) of canonical trees."""
    x = np.concatenate([np.zeros_like(log_lengths[:, :1]), log_lengths[:, 1:], log_lengths[:, :1]], axis=1)
    return torch.from_numpy(x).to(device)


def canonical(trees: Trees, x: Tensor) -> tuple[TopologyBatch, np.ndarray]:
    """Canonical topologies, and log lengths (P, E) of their edges from those above nodes (P, V)."""
    kids = trees.kids.to(torch.int32).cpu().numpy()
    children, of_edges = canonical_trees(kids, trees.top.cpu().numpy(), np.ascontiguousarray(x.cpu().numpy()))
    return TopologyBatch(children), of_edges


def layout(trees: Trees) -> Layout:
    """Internal nodes in the order of their sizes, so that children come before their parents."""
    n, device = trees.n_taxa, trees.up.device
    order = trees.sizes[:, n:].argsort(dim=1, stable=True) + n
    tips = torch.arange(n, device=device).expand(trees.n_trees, n)
    number = torch.cat([tips, torch.empty_like(order)], dim=1)
    number.scatter_(1, order, torch.arange(n, 2 * n - 2, device=device).expand_as(order))
    kids = trees.kids.gather(1, order[..., None].expand(*order.shape, 2))
    children = number.gather(1, kids.flatten(1)).view_as(kids).to(torch.int32)
    nodes = torch.cat([order[:, -1:], tips[:, 1:], order[:, :-1]], dim=1)
    topologies = TopologyBatch(children.numpy()) if device.type == "cpu" else PlacedTopologies(children)
    return Layout(topologies, nodes)


def interchange(trees: Trees, nodes: Tensor, ways: Tensor) -> Trees:
    """Swap the sibling of an inner node (P,) with its first (way 0) or second (way 1) child, in every tree.

    The same interchange undoes it.
    """
    rows, parents = trees.rows, trees.up[trees.rows, nodes]
    siblings = trees.siblings(nodes[:, None])[:, 0]
    child = trees.kids[rows, nodes, ways]
    side = (trees.kids[rows, parents, 1] == siblings).long()
    kids, up, sizes, hashes, sets = (t.clone() for t in trees)
    kids[rows, parents, side], kids[rows, nodes, ways] = child, siblings
    up[rows, siblings], up[rows, child] = nodes, parents
    sizes[rows, nodes] += sizes[rows, siblings] - sizes[rows, child]
    hashes[rows, nodes] ^= hashes[rows, siblings] ^ hashes[rows, child]
    sets[rows, nodes] ^= sets[rows, siblings] ^ sets[rows, child]
    return Trees(kids, up, sizes, hashes, sets)


def below(trees: Trees, nodes: Tensor) -> Tensor:
    """(P, V) bool: which nodes are nodes (P,) or below them; taxon 0 is below all."""
    sets = trees.sets[trees.rows, nodes][:, None]
    return ((trees.sets & sets) == trees.sets).all(dim=2)


def above(sets: Tensor, wanted: Tensor) -> Tensor:
    """(P, V) bool: which of sets (P, V, W) hold all taxa of sets (P, W)."""
    return ((sets & wanted[:, None]) == wanted[:, None]).all(dim=2)


def regraft(trees: Trees, nodes: Tensor, places: Tensor) -> Trees:
    """Take a clade (P,), with the node above it, to the edge above another node (P,), in every tree.

    Arguments:
        trees: P trees.
        nodes: clades that move, not those of top nodes.
        places: nodes that are neither in the clade nor above it by one; the sibling leaves a tree as it is.
    """
    rows, every = trees.rows, torch.arange(trees.up.shape[1], device=trees.up.device)
    joint = trees.up[rows, nodes]
    siblings = trees.siblings(nodes[:, None])[:, 0]
    kids, up, sizes, hashes, sets = (t.clone() for t in trees)
    moved = [t[rows, nodes] for t in (sizes, hashes, sets)]
    lost = above(sets, sets[rows, joint]) & (every != joint[:, None])
    sets, hashes, sizes = _without(sets, hashes, sizes, lost, moved, -1)
    beyond = up[rows, joint]
    kids, up = _joined(kids, up, rows, beyond, joint, siblings)
    gained = above(sets, sets[rows, places]) & (every != places[:, None]) & (every != joint[:, None])
    sets, hashes, sizes = _without(sets, hashes, sizes, gained, moved, 1)
    beyond = up[rows, places]
    kids, up = _joined(kids, up, rows, beyond, places, joint)
    slot = (kids[rows, joint, 0] == nodes).long()
    kids[rows, joint, slot], up[rows, places] = places, joint
    sizes[rows, joint] = sizes[rows, places] + moved[0]
    hashes[rows, joint] = hashes[rows, places] ^ moved[1]
    sets[rows, joint] = sets[rows, places] | moved[2]
    return Trees(kids, up, sizes, hashes, sets)


def _without(
    sets: Tensor, hashes: Tensor, sizes: Tensor, where: Tensor, moved: list[Tensor], sign: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Sets, hashes and sizes where a clade comes (sign 1) or goes (-1)."""
    n_moved, hash_moved, set_moved = moved
    return (
        torch.where(where[..., None], sets ^ set_moved[:, None], sets),
        torch.where(where, hashes ^ hash_moved[:, None], hashes),
        torch.where(where, sizes + sign * n_moved[:, None], sizes),
    )


def _joined(kids: Tensor, up: Tensor, rows: Tensor, parents: Tensor, old: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    """Put new nodes in the place of old ones below parents (P,), which may be taxon 0; tensors are changed."""
    slot = (kids[rows, parents, 1] == old).long()
    kids[rows, parents, slot] = torch.where(parents == 0, 0, new)
    up[rows, new] = parents
    return kids, up
