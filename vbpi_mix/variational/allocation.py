"""Numbers of draws of the components of a weighted mixture."""

import torch
from torch import Tensor

from vbpi_mix.variational.mixture import PhyloMixture


class Allocation:
    """Draws of every component in proportion to its weight: n on average, n of each where the weights are equal.

    They are one stratified sample of the mixture. Numbers of draws are whole, at least 1 for a positive weight, and
    `log_strata` makes up for the rounding.

    Arguments:
        mixture: the mixture, whose component weights count.
        n: draws per component on average.

    Attributes:
        log_strata: (A,) log of what a draw of each component counts for, A w n over the draws that it makes.
    """

    def __init__(self, mixture: PhyloMixture, n: int) -> None:
        self.n = n
        self._expected = mixture.log_strata.exp()
        made = self.counts(0, n)
        self.log_strata = torch.where(made > 0, self._expected.log() + (n / made.double()).log(), 0.0)

    def counts(self, first: int, last: int) -> Tensor:
        """(A,) int64 draws that belong to a batch, of the draws `first` to `last` - 1 of n."""
        return torch.ceil(self._expected * last).long() - torch.ceil(self._expected * first).long()
