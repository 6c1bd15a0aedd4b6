"""q(branch lengths | topology) of all components: the stacked base followed by the shared flow."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.branch.base import LogNormalBase


@dataclass(frozen=True, kw_only=True)
class BranchDraws:
    """Branch lengths of T trees.

    Arguments:
        log_lengths: (T, E) log of the branch lengths in expected substitutions per site.
        log_q: (M, T) log-density of the *lengths* (Jacobians of flow and exponential included) under each
            evaluated component.
    """

    log_lengths: Tensor
    log_q: Tensor

    @property
    def lengths(self) -> Tensor:
        """(T, E) branch lengths."""
        return self.log_lengths.exp()


class BranchModel(nn.Module):
    """The branch-length model of a mixture.

    Arguments:
        base: stacked base distributions, one per component.
        flow: a module that satisfies `branch.flows.Flow`, shared by the components.
    """

    def __init__(self, base: LogNormalBase, flow: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.flow = flow

    def draw(
        self, feature_ids: np.ndarray, component_of_tree: Tensor, components: Tensor, generator: torch.Generator
    ) -> BranchDraws:
        """Draw lengths for each tree from its own component; evaluate them under all of `components`.

        Arguments:
            feature_ids: (T, E, 3) int32 features of the trees' edges.
            component_of_tree: (T,) int64.
            components: (M,) int64, the evaluated components.
            generator: source of the (T, E) normal noise.
        """
        noise = torch.randn(feature_ids.shape[:2], generator=generator, dtype=torch.float64)
        base_sample = self.base.draw(feature_ids, component_of_tree, noise)
        log_lengths, log_abs_det = self.flow(base_sample, feature_ids)
        log_base = self.base.log_prob(feature_ids, components, base_sample)
        return BranchDraws(log_lengths=log_lengths, log_q=log_base - (log_abs_det + log_lengths.sum(dim=1)))

    def log_prob(self, feature_ids: np.ndarray, components: Tensor, log_lengths: Tensor) -> Tensor:
        """(M, T) log-density of given branch lengths exp(log_lengths) under each component of (M,)."""
        base_sample, log_abs_det = self.flow.inverse(log_lengths, feature_ids)  # type: ignore[operator]
        log_base = self.base.log_prob(feature_ids, components, base_sample)
        return log_base - (log_abs_det + log_lengths.sum(dim=1))
