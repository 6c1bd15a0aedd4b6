"""Features of the edges of trees: as the compiled kernels take them, and as tensors on a device."""

from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

# (T, E, n) rows of feature tables, -1 for none: int32 in an array, for the compiled kernels on the CPU, or int64 in a
# tensor on a device, where the definitions in torch compute. The same functions take either.
FeatureIds: TypeAlias = np.ndarray | Tensor


def index_of(feature_ids: FeatureIds, device: torch.device) -> Tensor:
    """The ids as an int64 tensor on a device."""
    if isinstance(feature_ids, np.ndarray):
        feature_ids = torch.from_numpy(feature_ids)
    return feature_ids.to(device).long()


def gathered(rows: Tensor, feature_ids: FeatureIds, dtype: torch.dtype = torch.float64) -> Tensor:
    """(T, E', W) sums of table rows: rows (F, W), feature_ids (T, E', n) with -1 for none."""
    ids = index_of(feature_ids, rows.device)
    return rows[ids.clamp(min=0)].masked_fill((ids < 0)[..., None], 0.0).sum(dim=2, dtype=dtype)


def moved(feature_ids: Tensor, first: Tensor) -> Tensor:
    """Ids (T, E, n) counted from another first row of each tree, (T,); -1 stays."""
    return torch.where(feature_ids >= 0, feature_ids + first[:, None, None], feature_ids)


def used_rows(rows: Tensor, feature_ids: Tensor) -> tuple[Tensor, Tensor]:
    """The rows (U, W) that ids use, each once, and the ids among them.

    What is computed from these has derivatives as large as they are, and not as the whole table (F, W).
    """
    used, places = feature_ids.unique(return_inverse=True)  # ascending: -1 comes first
    lacking = (used < 0).sum()
    return rows[used[used >= 0]], places - lacking
