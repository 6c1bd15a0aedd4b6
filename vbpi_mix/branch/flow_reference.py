"""The flows of log branch lengths in plain torch: the definitions that the kernels must match.

A flow maps x, the log branch lengths of one tree as seen from its frame (`frame.Framed`). Its weights come from tables
with one row per branch feature: an edge's weights are the sum of the rows of its split and its primary subsplit pairs
(nothing where it has none), so the flow does not depend on how taxa or edges are numbered (Zhang 2020, "Improved
variational Bayesian phylogenetic inference with normalizing flows"). How a row of RealNVP is laid out is in
`realnvp_width`.
"""

import math

import torch
from torch import Tensor

from vbpi_mix.branch.features import FeatureIds as FeatureIds
from vbpi_mix.branch.features import gathered as gathered

SHIFT = -2.0  # in the published frame log b = x + SHIFT
SCALE_OFFSET = 2.0  # a coupling layer scales by sigmoid(raw + SCALE_OFFSET) / sigmoid(SCALE_OFFSET): 1 at raw = 0


def realnvp_width(n_layers: int, n_hidden: int) -> int:
    """Numbers in a row: for every second layer H input weights; then, for the others, (H + 1) for the scale and
    (H + 1) for the shift, the last of each a bias.
    """
    return (n_layers + 1) // 2 * (3 * n_hidden + 2)


def realnvp(
    x: Tensor,
    feature_ids: FeatureIds,
    n_taxa: int,
    rows: Tensor,
    hidden_bias: Tensor,
    *,
    gain: float | Tensor = 1.0,
    inverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Coupling layers between pendant edges (0..N-1) and internal edges (N..2N-4), as in RealNVP.

    In layer l the pendant edges (l even) or the internal ones (l odd) are the given half u, the others the half y:

        h = ELU(hidden_bias[l] + sum_e w_e u_e),   y_e <- y_e sigmoid(s_e + 2) / sigmoid(2) + t_e,
        s_e = gain (scale_e . h + bias),   t_e = gain (shift_e . h + bias).

    An edge takes its weights from slot l // 2 of its rows.

    Arguments:
        x: (T, E).
        feature_ids: (T, E, n).
        n_taxa: N.
        rows: (F, W), see `realnvp_width`.
        hidden_bias: (L, H), or (T, L, H) for every tree by itself.
        gain: see above; (T, 1) for every tree by itself.
        inverse: undo the flow.

    Returns:
        (T, E) and (T,) the log |det| of the forward map.
    """
    n_layers, n_hidden = hidden_bias.shape[-2:]
    n_slots = (n_layers + 1) // 2
    # split once: its derivative is one table, where that of a slice is a table for every slice
    slots = rows.split([n_hidden] * n_slots + [2 * (n_hidden + 1)] * n_slots, dim=1)
    halves = [x[:, :n_taxa], x[:, n_taxa:]]
    ids = [feature_ids[:, :n_taxa], feature_ids[:, n_taxa:]]
    log_det = x.new_zeros(x.shape[0])
    for layer in reversed(range(n_layers)) if inverse else range(n_layers):
        given, changed, slot = layer % 2, 1 - layer % 2, layer // 2
        into = gathered(slots[slot], ids[given], x.dtype)
        out_of = gathered(slots[n_slots + slot], ids[changed], x.dtype)
        hidden = torch.nn.functional.elu(hidden_bias[..., layer, :] + torch.einsum("te,teh->th", halves[given], into))
        scale, shift = out_of.unflatten(2, (2, n_hidden + 1)).unbind(dim=2)
        raw = gain * (torch.einsum("th,teh->te", hidden, scale[..., :-1]) + scale[..., -1])
        shifts = gain * (torch.einsum("th,teh->te", hidden, shift[..., :-1]) + shift[..., -1])
        log_scale = torch.nn.functional.logsigmoid(raw + SCALE_OFFSET) + math.log1p(math.exp(-SCALE_OFFSET))
        log_det = log_det + log_scale.sum(dim=1)
        if inverse:
            halves[changed] = (halves[changed] - shifts) * torch.exp(-log_scale)
        else:
            halves[changed] = halves[changed] * torch.exp(log_scale) + shifts
    return torch.cat(halves, dim=1), log_det


def planar(x: Tensor, feature_ids: FeatureIds, rows: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Planar layers x <- x + v tanh(w . x + b) (Rezende and Mohamed 2015).

    They are kept invertible by

        v = u + (m(w . u) - w . u) w / |w|^2,   m(a) = log(1 + (e - 1) exp(a)) - 1 >= -1,   m(0) = 0,

    so that u = 0 is the identity.

    Arguments:
        x: (T, E).
        feature_ids: (T, E, n).
        rows: (F, 2 L): w of every layer, then u of every layer.
        bias: (L,), or (T, L) for every tree by itself.

    Returns:
        (T, E) and (T,) log |det|.
    """
    n_layers = bias.shape[-1]
    weights = gathered(rows, feature_ids, x.dtype)
    log_det = x.new_zeros(x.shape[0])
    for layer in range(n_layers):
        w, u = weights[..., layer], weights[..., n_layers + layer]
        product = (w * u).sum(dim=1)
        bounded = torch.nn.functional.softplus(product + math.log(math.e - 1)) - 1
        norm = (w * w).sum(dim=1).clamp(min=torch.finfo(x.dtype).tiny)
        v = u + ((bounded - product) / norm).unsqueeze(1) * w
        h = torch.tanh((w * x).sum(dim=1) + bias[..., layer])
        log_det = log_det + torch.log1p((1 - h * h) * bounded)
        x = x + v * h.unsqueeze(1)
    return x, log_det


def skew(x: Tensor, feature_ids: FeatureIds, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Every edge by itself, with a left tail that is exponential where that of x is normal.

        y = (x - a (h^2 - 1/4)) / (1 + a/2),   h = (sqrt(1 + x^2) - x) / 2,   a = exp(sum_f rows[f]) >= 0.

    h is a smooth max(0, -x), so y falls like -x^2 to the left and like x to the right; 0 stays where it is, with
    slope 1. a = 0 is the identity.

    Arguments:
        x: (T, E).
        feature_ids: (T, E, n).
        rows: (F, 1) logarithms.

    Returns:
        (T, E) and (T,) log |det|.
    """
    a = gathered(rows, feature_ids)[..., 0].exp()
    root = torch.sqrt(1 + x * x)
    h = 0.5 / (root + x.abs())
    h = torch.where(x < 0, h + x.abs(), h)  # without loss of digits at either end
    slope = (1 + 2 * a * h * h / root) / (1 + a / 2)
    return (x - a * (h * h - 0.25)) / (1 + a / 2), slope.log().sum(dim=1)
