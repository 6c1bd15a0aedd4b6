"""The update of touched rows in torch: what `adam_kernels` compiles, for tables on any device."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.row_table import RowTable
from vbpi_mix.train.adam_kernels import N_TAILS, TINY
from vbpi_mix.train.joined import JoinedTable


def idle_displacement(last: Tensor, beta1: float, beta2: float) -> Tensor:
    """As `adam_kernels.idle_displacement`, for steps `last` (n,)."""
    i = torch.arange(1, N_TAILS + 1, dtype=torch.float64, device=last.device)
    at = last[:, None] + i
    correction = (1 - beta2**at).sqrt() / (1 - beta1**at)
    return (correction * (beta1 / beta2**0.5) ** i).sum(dim=1)


class TableInTorch:
    """Moments and clocks of one table's rows, on its device; gradients come from autograd, for the whole table.

    A row is touched where its gradient is not zero, and only touched rows are updated, as in `adam.Adam`. There, in
    compiled tables, a row is touched where a kernel has read it: one with a gradient of exactly zero, such as that of a
    rooting that is impossible, is updated there and waits here.

    Arguments:
        parameter: the table.
        betas: decays of the moments.
        epsilon: added to the square roots of the second moments.
        joined: the table of several models that the parameter is, with a step and a rate for each; None: of one.
    """

    def __init__(
        self, parameter: RowTable, betas: tuple[float, float], epsilon: float, joined: JoinedTable | None = None
    ) -> None:
        self.parameter, self.betas, self.epsilon = parameter, betas, epsilon
        self.joined = joined
        rows = self._rows(parameter.detach())
        self.mean, self.square = torch.zeros_like(rows), torch.zeros_like(rows)
        self.last = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)  # the last update's step; 0: never

    def clear(self) -> None:
        """Forget the gradient."""
        self.parameter.grad = None

    def release(self) -> None:
        """The table has been an ordinary parameter all the time."""

    def update(self, step: int, rate: float, tails: np.ndarray) -> None:
        """One step of Adam on the touched rows; see `adam_kernels.update_rows`."""
        device = self.last.device
        one = torch.tensor([step], device=device), torch.tensor([rate], dtype=torch.float64, device=device)
        self.update_models(*one, torch.from_numpy(tails)[None].to(device))

    @torch.no_grad()
    def update_models(self, steps: Tensor, rates: Tensor, tails: Tensor) -> None:
        """`update` for several models: steps (G,), rates (G,) float64, tails (G, N_TAILS) of each."""
        if self.parameter.grad is None:
            return
        beta1, beta2 = self.betas
        whole = self._rows(self.parameter.grad)
        touched = self._touched(whole)
        model = torch.zeros_like(touched) if self.joined is None else self.joined.model[touched]
        step, rate = steps[model], rates[model]
        table = self._rows(self.parameter.detach())
        p, m, v, g = table[touched], self.mean[touched], self.square[touched], whole[touched]
        last = self.last[touched]
        idle = torch.where(last > 0, step - 1 - last, 0)
        away = tails[model, idle.clamp(max=N_TAILS - 1)]
        long = idle >= N_TAILS
        if bool(long.any()):
            away[long] = idle_displacement(last[long], beta1, beta2)

        def column(numbers: Tensor) -> Tensor:
            return numbers.to(p.dtype)[:, None]

        small = self.epsilon * (1.0 - beta2 ** last.double()).sqrt()
        p = p - column(rate * away) * m / (v.sqrt() + column(small))
        p = torch.where((idle > 0)[:, None], p, table[touched])  # a row that was never touched has no moments
        m, v = m * column(beta1 ** idle.double()), v * column(beta2 ** idle.double())
        g = g.masked_fill(g.abs() <= TINY, 0.0)
        m = beta1 * m + (1.0 - beta1) * g
        v = beta2 * v + (1.0 - beta2) * g * g
        root = 1.0 / (1.0 - beta2 ** step.double()) ** 0.5
        table[touched] = p - column(rate / (1.0 - beta1 ** step.double())) * m / (
            v.sqrt() * column(root) + self.epsilon
        )
        self.mean[touched], self.square[touched], self.last[touched] = m, v, step

    def state(self) -> dict[str, Tensor]:
        """As that of a compiled table, on the CPU."""
        rows = self.last.nonzero()[:, 0]
        tensors = {"rows": rows, "last": self.last[rows], "mean": self.mean[rows], "square": self.square[rows]}
        return {name: tensor.cpu() for name, tensor in tensors.items()}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave; its shape has been checked."""
        rows = saved["rows"].to(self.last.device)
        for name in ("last", "mean", "square"):
            getattr(self, name).zero_()[rows] = saved[name].to(self.last.device)

    def _touched(self, gradient: Tensor) -> Tensor:
        """Rows to update; with a part of a model's own row the other parts."""
        joined = self.joined
        if joined is not None and joined.dense:
            return torch.arange(len(gradient), device=gradient.device)
        touched = (gradient != 0).any(dim=1)
        if joined is not None and joined.together is not None:
            own = torch.zeros(joined.n_own_rows, dtype=torch.bool, device=touched.device)
            own[joined.together[touched]] = True
            touched = own[joined.together]
        return touched.nonzero()[:, 0]

    def _rows(self, tensor: Tensor) -> Tensor:
        """(R, W) view of a tensor laid out as the table is."""
        rows = tensor.permute(self.parameter.order)
        return rows.reshape(len(rows), -1)
