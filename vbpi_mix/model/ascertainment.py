"""Data that are only those sites that vary (+ASC): Lewis's correction (Systematic Biology 50, 2001).

Every site's likelihood is divided by the probability that a site varies, 1 - sum_s p(all taxa have state s).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import Alignment, SitePatterns

_LISTED = 5
_SMALLEST = 1e-300  # of the probability that a site varies, where all lengths are about 0


def invariable_patterns(patterns: SitePatterns) -> np.ndarray:
    """(P,) whether all taxa may have one state: then the site may not vary."""
    return np.bitwise_and.reduce(patterns.state_sets, axis=0) > 0


def check_variable(patterns: SitePatterns, model: str) -> None:
    """Raise InputError where a pattern may not vary, for a model with +ASC."""
    found = np.flatnonzero(invariable_patterns(patterns) & (patterns.weights > 0))
    if len(found):
        sites = patterns.weights[found].sum()
        raise InputError(
            f"the model {model} is of sites that vary, but {sites:.0f} sites have or may have the same state in all "
            "taxa: leave them out, or +ASC"
        )


def check_columns(alignment: Alignment, sites: np.ndarray | None, model: str, where: str) -> None:
    """As `check_variable`, saying which sites of the file they are.

    Arguments:
        alignment: the data.
        sites: (n,) columns from 0; None: all.
        model: the model's string.
        where: beginning of the message.
    """
    columns = np.arange(alignment.n_sites) if sites is None else sites
    constant = columns[np.bitwise_and.reduce(alignment.state_sets[:, columns], axis=0) > 0]
    if len(constant):
        kept = np.arange(alignment.n_sites) if alignment.excluded is None else np.flatnonzero(~alignment.excluded)
        numbers = ", ".join(str(kept[i] + 1) for i in constant[:_LISTED])
        more = f" and {len(constant) - _LISTED} more" if len(constant) > _LISTED else ""
        raise InputError(
            f"{where}: the model {model} is of sites that vary, but these sites have or may have the same state in all "
            f"taxa: {numbers}{more}; leave them out, or +ASC"
        )


def constant_patterns(patterns: SitePatterns, *, exchangeable: bool) -> list[SitePatterns]:
    """One pattern for each state, which all taxa have; the first alone where all states are alike."""
    data_type = patterns.data_type
    n = 1 if exchangeable else data_type.n_states
    ones = np.ones(1)
    return [
        SitePatterns(
            state_sets=np.full((patterns.n_taxa, 1), 1 << state, dtype=data_type.dtype), weights=ones,
            data_type=data_type,
        )
        for state in range(n)
    ]  # fmt: skip


def log_variable(constant: Sequence[Tensor], n_states: int) -> Tensor:
    """(T,) log probability that a site varies.

    Arguments:
        constant: (T,) log-likelihoods of the constant patterns, or of one of them where all are alike.
        n_states: number of states.
    """
    total = torch.stack(list(constant)).exp().sum(dim=0) * (n_states / len(constant))
    return (1.0 - total).clamp(min=_SMALLEST).log()


def log_variable_hessian(values: Sequence[Tensor], gradients: Sequence[Tensor], hessians: Sequence[Tensor],
                         n_states: int) -> Tensor:  # fmt: skip
    """(T, E, E) Hessian of `log_variable` by values (T,), gradients (T, E) and Hessians (T, E, E) of its arguments."""
    scale = n_states / len(values)
    p = [scale * value.exp() for value in values]
    rest = (1.0 - torch.stack(p).sum(dim=0)).clamp(min=_SMALLEST)
    first = torch.stack([a[:, None] * g for a, g in zip(p, gradients, strict=True)]).sum(dim=0) / rest[:, None]
    second = torch.stack(
        [a[:, None, None] * (h + g[:, :, None] * g[:, None, :]) for a, g, h in zip(p, gradients, hessians, strict=True)]
    ).sum(dim=0)
    return -second / rest[:, None, None] - first[:, :, None] * first[:, None, :]
