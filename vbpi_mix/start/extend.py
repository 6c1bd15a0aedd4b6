"""A mixture on a larger support: old parameters where they were, new ones from weighted topologies."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.branch import Framed
from vbpi_mix.errors import ConfigError
from vbpi_mix.sbn import simple_average
from vbpi_mix.start.features import fitted_features
from vbpi_mix.start.weights import WeightedTopologies
from vbpi_mix.support import SubsplitSupport, encode
from vbpi_mix.support.union import embed
from vbpi_mix.variational import ParameterPosterior, PhyloMixture

_LARGEST_SHARE = 0.5  # that the new entries of a table can take from the old ones
_SMALLEST_SHARE = 1e-6  # of one new entry: what can never be drawn cannot be learned


@dataclass(frozen=True, kw_only=True)
class Extension:
    """New places of the rows of a mixture's parameters.

    Arguments:
        rows: rows by parameter name as in `named_parameters`: (R_old,) the new row of every old row of its memory
            (`row_table`); parameters that are not there kept their rows.
    """

    rows: dict[str, np.ndarray]


@torch.no_grad()
def extend_mixture(old: PhyloMixture, new: PhyloMixture, weighted: WeightedTopologies, *, n_sites: float) -> Extension:
    """Give a mixture on a larger support the parameters of the old one, and start the rest from weighted topologies.

    Old entries of a table keep their proportions. New entries beside them together get the share that they have in
    tables fitted to the weighted topologies (`sbn.simple_average`), at most a half and at least 1e-6 for each, so
    that the old topologies lose no more than the weight of the new ones; tables without old entries are the fitted
    ones. Rows of the branch model that did not exist fit, by weighted least squares, what the old rows leave over of
    the optimised lengths. New rows of the flow are as in a flow started from that table.

    Arguments:
        old: the mixture so far; not changed.
        new: a mixture of the same kind, with the parameters of a fresh one; overwritten.
        weighted: topologies that the new support represents, old and new ones; their lengths are optimal under the
            mean of the model's parameters.
        n_sites: sites of the alignment.

    Raises:
        ConfigError: the mixtures differ in more than their support.
        SupportError: the new support lacks something of the old one.
    """
    if (old.n_components, old.tying, old.indexer.kind) != (new.n_components, new.tying, new.indexer.kind):
        raise ConfigError("a mixture can be extended to one of the same kind only")
    embedding = embed(old.support, new.support)
    entries = embedding.entries()
    features = entries[: old.indexer.n_features]
    encoded = encode(new.support, weighted.sample.topologies)
    probabilities = weighted.sample.probabilities()

    tables = simple_average(new.support, encoded, probabilities, pseudo_count=0.0)
    new.networks.logits.copy_(extended_logits(old.networks.logits, entries, new.support, tables[0].numpy()))

    rows = {"networks.logits": entries, "branches.base.table": features}
    log_lengths, before, after = weighted.modes.log_lengths, old.parameter_posterior, new.parameter_posterior
    if before is not None and after is not None:
        splits = embedding_of_splits(features, old.support.n_splits)
        extend_parameters(before, after, splits, old.support.n_taxa)
        rows["parameter_posterior.response"] = splits
        mean = after.location.mean(dim=0).expand(len(log_lengths), -1)
        log_lengths = log_lengths - after.shift(encoded.split_ids, mean).numpy()

    table = torch.full_like(new.branches.base.table, torch.nan)
    table[:, features] = old.branches.base.table
    for component in table:
        component.copy_(
            torch.from_numpy(
                fitted_features(
                    new.indexer,
                    encoded,
                    probabilities,
                    log_lengths,
                    weighted.laplace.log_precision,
                    n_sites,
                    known=component.numpy(),
                )
            )
        )
    new.branches.base.table.copy_(table)
    new.log_component_weights.copy_(old.log_component_weights)

    flow, old_flow = new.branches.flow, old.branches.flow
    if isinstance(flow, Framed) and isinstance(old_flow, Framed):
        moved = flow.extend(old_flow, features, table.mean(dim=0), new.support.n_splits)
        rows |= {f"branches.flow.{name}": new_rows for name, new_rows in moved.items()}
    return Extension(rows=rows)


def embedding_of_splits(features: np.ndarray, n_splits: int) -> np.ndarray:
    """(n_splits,) the new number of every old split: those of features begin with them."""
    return features[:n_splits].astype(np.int64)


def extend_parameters(old: ParameterPosterior, new: ParameterPosterior, splits: np.ndarray, n_taxa: int) -> None:
    """Take over the distribution of the parameters; new splits follow them as the old inner ones do on average."""
    for name in ("location", "factor", "centre", "scale"):
        getattr(new, name).copy_(getattr(old, name))
    inner = old.response[n_taxa:] if len(old.response) > n_taxa else old.response
    new.response.copy_(inner.mean(dim=0).expand_as(new.response))
    new.response[torch.from_numpy(splits)] = old.response.detach()


def extended_logits(old: Tensor, entries: np.ndarray, support: SubsplitSupport, fitted: np.ndarray) -> Tensor:
    """(A, n_params) logits on a larger support.

    Arguments:
        old: (A, n_old) logits.
        entries: (n_old,) the new entry of each.
        support: the larger support.
        fitted: (n_params,) log-probabilities of tables fitted to topologies, -inf allowed.
    """
    segments = support.segments
    n = support.n_params
    order, begins, segment = segments.entries, segments.pointer[:-1], segments.segment_of_entry
    is_new = np.ones(n, dtype=bool)
    is_new[entries] = False
    count = np.add.reduceat(is_new[order].astype(np.float64), begins)
    # of the new entries among themselves, and of all of them in their table
    among = np.where(is_new, np.maximum(np.exp(fitted), _SMALLEST_SHARE), 0.0)
    total = np.add.reduceat(among[order], begins)
    share = np.clip(total, count * _SMALLEST_SHARE, _LARGEST_SHARE)
    logits = np.full((old.shape[0], n), -np.inf)
    logits[:, entries] = old.detach().numpy()
    scale = np.logaddexp.reduceat(logits[:, order], begins, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # tables without new entries
        beside = scale[:, segment] + (np.log(share) - np.log1p(-share))[segment] + np.log(among / total[segment])
    alone = np.maximum(fitted, np.log(_SMALLEST_SHARE))
    values = np.where(np.isfinite(scale)[:, segment], beside, alone)
    return torch.from_numpy(np.where(is_new, values, logits))
