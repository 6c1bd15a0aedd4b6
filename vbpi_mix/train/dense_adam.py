"""Adam on ordinary parameters by the compiled update of tables; its states are those of `torch.optim.Adam`.

The first optimiser of torch that a process makes imports its compiler, which takes more than a second.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from vbpi_mix.train.adam_kernels import N_TAILS, update_rows

_NO_TAILS = np.zeros(N_TAILS)  # every parameter with a gradient is updated in every step


class DenseAdam:
    """Adam on parameters on the CPU, each as one row of a table; used like `torch.optim.Adam`.

    Arguments:
        groups: parameters ("params") and learning rate ("lr") of each group.
        betas: decays of the first and second moments.
        eps: number added to the square roots of the second moments.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], betas: tuple[float, float], eps: float) -> None:
        self.param_groups = [
            {**group, "betas": betas, "eps": eps, "weight_decay": 0, "amsgrad": False, "maximize": False}
            for group in groups
        ]
        self._moments = [[_Moments(p) for p in group["params"]] for group in groups]

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget all gradients, or make them zero."""
        for moments in self._all():
            gradient = moments.parameter.grad
            if set_to_none or gradient is None:
                moments.parameter.grad = None
            else:
                gradient.zero_()

    def step(self) -> None:
        """One update of the parameters that have gradients."""
        for group, every in zip(self.param_groups, self._moments, strict=True):
            for moments in every:
                moments.update(group["lr"], group["betas"], group["eps"])

    def state_dict(self) -> dict[str, Any]:
        """State as `torch.optim.Adam` has it."""
        every = self._all()
        numbers = iter(range(len(every)))
        groups = [{**group, "params": [next(numbers) for _ in group["params"]]} for group in self.param_groups]
        return {"state": {i: m.state() for i, m in enumerate(every) if m.last[0]}, "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, also one of `torch.optim.Adam`.

        Raises:
            ValueError: the state of other groups of parameters.
        """
        saved = state["param_groups"]
        if [len(g["params"]) for g in saved] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError("the optimiser's state is that of other groups of parameters")
        for group, other in zip(self.param_groups, saved, strict=True):
            group["lr"] = other["lr"]
        for i, moments in enumerate(self._all()):
            moments.load(state["state"].get(i))

    def _all(self) -> "list[_Moments]":
        return [moments for every in self._moments for moments in every]


class _Moments:
    """Moments and clock of one parameter."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = parameter
        shape = (1, parameter.numel())
        dtype = parameter.detach().numpy().dtype
        self.mean, self.square = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self.last = np.zeros(1, dtype=np.int64)
        self._slots, self._rows, self._count = np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1, np.int64)

    def update(self, rate: float, betas: tuple[float, float], epsilon: float) -> None:
        if self.parameter.grad is None:
            return
        rows = self.parameter.detach().numpy().reshape(1, -1)  # a view: parameters are contiguous
        gradient = np.ascontiguousarray(self.parameter.grad.numpy()).reshape(1, -1)
        update_rows(
            rows, self.mean, self.square, self.last, (gradient, self._slots, self._rows, self._count),
            int(self.last[0]) + 1, rate, *betas, epsilon, _NO_TAILS,
        )  # fmt: skip

    def state(self) -> dict[str, torch.Tensor]:
        shape = self.parameter.shape
        return {
            "step": torch.tensor(float(self.last[0])),
            "exp_avg": torch.from_numpy(self.mean.copy()).reshape(shape),
            "exp_avg_sq": torch.from_numpy(self.square.copy()).reshape(shape),
        }

    def load(self, saved: Mapping[str, torch.Tensor] | None) -> None:
        if saved is None:
            self.mean[:], self.square[:], self.last[:] = 0, 0, 0
            return
        self.mean[0] = saved["exp_avg"].numpy().reshape(-1)
        self.square[0] = saved["exp_avg_sq"].numpy().reshape(-1)
        self.last[0] = int(saved["step"])
