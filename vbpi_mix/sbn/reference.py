"""log q of topologies in plain torch: the definition that the compiled kernels must match, on any device.

All rootings of all trees come from a fixed number of tensor operations. What is summed along a path of the tree or over
a clade is a product with the matrix that says which internal nodes lie below which.
"""

import torch
from torch import Tensor

from vbpi_mix.sbn.placed import PlacedTopologies


def log_softmax(logits: Tensor, segment_of_entry: Tensor, n_segments: int) -> Tensor:
    """(R, M) logarithms of the shares that entries have in the exponentials of their segment.

    Arguments:
        logits: (R, M).
        segment_of_entry: (R,) int64.
        n_segments: Number of segments.
    """
    shape = (n_segments, logits.shape[1])
    index = segment_of_entry[:, None].expand_as(logits)
    largest = logits.new_full(shape, -torch.inf).scatter_reduce(0, index, logits.detach(), "amax")[segment_of_entry]
    # index_put adds up in a fixed order on a GPU too, which scatter_add does not
    total = logits.new_zeros(shape).index_put((segment_of_entry,), (logits - largest).exp(), accumulate=True)
    return logits - (largest + total.log()[segment_of_entry])


def log_prob(log_cpd: Tensor, trees: PlacedTopologies) -> Tensor:
    """(M, T) log q under M components, all rootings summed; -inf, without gradient, where every rooting lacks an entry.

    A rooting on the edge above node c, child on side s of node p, has the probability of its rootsplit and of the
    pairs that p and c form with it, times those of the pairs on each internal edge, read towards the root (see
    `support.segments`): m = 0 for edges below which the root does not lie, m = 1 for those beside the path from the
    top to the root, m = 2 or 3 for those on the path.

    Arguments:
        log_cpd: (R, M) log-probabilities of the table entries.
        trees: T topologies.
    """
    n_trees, n_inner = trees.first.shape
    n_taxa = n_inner + 2
    n_edges = 2 * n_taxa - 3
    lacking = trees.entries < 0
    own = log_cpd[trees.entries.clamp(min=0)].masked_fill(lacking[..., None], 0.0)
    # a further column counts what is lacking, by the same sums: a difference of infinities never arises
    own = torch.cat([own, lacking[..., None].to(own.dtype)], dim=2)
    rootsplit = own[:, :n_edges]
    pair = own[:, n_edges : n_edges + 3 * n_inner].unflatten(1, (n_inner, 3))
    on_edge = own[:, n_edges + 3 * n_inner :].unflatten(1, (n_inner - 1, 4))
    on_edge = torch.nn.functional.pad(on_edge, (0, 0, 0, 0, 0, 1))  # none above the top
    numbers = torch.arange(n_inner, device=own.device)
    lies_below = ((trees.first[:, :, None] <= numbers) & (numbers < numbers[:, None])).to(
        own.dtype
    )  # [v, w]: w below v
    below = lies_below @ on_edge[:, :, 0]

    def of_nodes(inner: Tensor) -> Tensor:
        """(T, 2N-2, .) with zeros for the tips."""
        return torch.nn.functional.pad(inner, (0, 0, n_taxa, 0))

    tree = torch.arange(n_trees, device=own.device)[:, None]
    every = tree[:, :, None]
    beside = of_nodes(on_edge[:, :, 1] + below)
    steps = (
        on_edge[:, :, 2:] + beside[every, trees.children.flip(2)]
    )  # from node p to the edge above its child on side s
    to_inner = torch.nn.functional.pad(steps[tree, trees.parent, trees.side], (0, 0, 0, 1))
    above = to_inner + lies_below.transpose(1, 2) @ to_inner
    ends = of_nodes(below + pair[:, :, 2])
    rootings = above[:, :, None] + steps + pair[:, :, :2]
    rootings = rootings + rootsplit[every, trees.children] + ends[every, trees.children]
    at_top = rootsplit[:, 0] + ends[:, -1]
    rootings = torch.cat([at_top[:, None], rootings.flatten(1, 2)], dim=1)  # (T, 2N-3, M + 1)
    represented = rootings[:, :, -1:] == 0
    possible = represented.any(dim=1)  # (T, 1)
    finite = torch.where(represented, rootings[:, :, :-1], -torch.inf)
    log_q = torch.logsumexp(torch.where(possible[:, None], finite, 0.0), dim=1)
    return torch.where(possible, log_q, -torch.inf).T
