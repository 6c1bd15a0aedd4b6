"""Adam (Kingma and Ba 2015) whose cost is that of the rows a step touches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from vbpi_mix.errors import CheckpointError
from vbpi_mix.row_table import RowTable, rows_of
from vbpi_mix.train.adam_kernels import N_TAILS, idle_displacements, update_rows
from vbpi_mix.train.adam_torch import TableInTorch
from vbpi_mix.train.dense_adam import DenseAdam

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """Adam on ordinary parameters and on `RowTable`s (touched rows only).

    The moments of a row are at all times those that Adam on the whole table would have: the decay over the steps in
    which a row had no gradient is applied, in closed form, when it is touched again. So is the distance that momentum
    would have moved the row meanwhile (at most about 10 learning rates): a row that nothing reads does not move until
    its next gradient arrives. If every row is touched in every step this is Adam; with idle steps, a row after its
    next update is where Adam would have put it for the same gradients, but for two differences of second order: the
    learning rate of the present step is used for the idle ones, and epsilon decays with the second moment.

    While this object lives, until `release`, the tables gather their gradients by row (`RowTable.collecting`), unless
    `in_torch` is set.

    Arguments:
        groups: parameters of each group.
        rates: learning rates of the groups.
        in_torch: take whole gradients from autograd and update touched rows in torch, on the device where the
            parameters are; else by a compiled kernel on the CPU. States of either kind are the same.
    """

    def __init__(
        self, groups: Sequence[Sequence[nn.Parameter]], rates: Sequence[float], *, in_torch: bool = False
    ) -> None:
        self._rates = list(rates)
        self._factor = 1.0
        dense = [[p for p in group if not isinstance(p, RowTable)] for group in groups]
        self._dense_groups = [i for i, parameters in enumerate(dense) if parameters]
        given = [{"params": dense[i], "lr": rates[i]} for i in self._dense_groups]
        self._dense: DenseAdam | torch.optim.Adam | None = None
        if given and in_torch:
            self._dense = torch.optim.Adam(given, betas=BETAS, eps=EPSILON, fused=True)
        elif given:
            self._dense = DenseAdam(given, betas=BETAS, eps=EPSILON)
        self._tables: list[tuple[_TableState | TableInTorch, int]] = [
            (TableInTorch(p, BETAS, EPSILON) if in_torch else _TableState(p), i)
            for i, group in enumerate(groups)
            for p in group
            if isinstance(p, RowTable)
        ]
        self._step = 0
        self._tails = np.empty(N_TAILS)

    @property
    def rates(self) -> list[float]:
        """Learning rates of the groups, without the factor."""
        return list(self._rates)

    def set_factor(self, factor: float) -> None:
        """Multiply every learning rate by this, from now on."""
        self._factor = factor
        if self._dense is not None:
            for i, group in zip(self._dense_groups, self._dense.param_groups, strict=True):
                group["lr"] = self._rates[i] * factor

    def zero_grad(self) -> None:
        """Forget all gradients."""
        if self._dense is not None:
            self._dense.zero_grad(set_to_none=True)
        for table, _ in self._tables:
            table.clear()

    def step(self) -> None:
        """One update from the gradients gathered since `zero_grad`."""
        if self._dense is not None:
            self._dense.step()
        self._step += 1
        if self._tables:
            idle_displacements(self._step, *BETAS, self._tails)
        for table, group in self._tables:
            table.update(self._step, self._rates[group] * self._factor, self._tails)

    def release(self) -> None:
        """Make the tables ordinary parameters again."""
        for table, _ in self._tables:
            table.release()

    def renumber(self, state: Mapping[str, Any], rows: Sequence[np.ndarray | None]) -> dict[str, Any]:
        """A saved state of this optimiser for tables whose rows moved.

        Arguments:
            state: return value of `state_dict`.
            rows: for each table (R_old,) the new row of each old one, or None where rows kept their numbers.
        """
        tables = [
            saved if new is None else {**saved, "rows": torch.from_numpy(new)[saved["rows"]]}
            for saved, new in zip(state["tables"], rows, strict=True)
        ]
        return {**state, "tables": tables}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on; of tables, the rows that were ever touched."""
        return {
            "step": self._step,
            "dense": None if self._dense is None else on_cpu(self._dense.state_dict()),
            "tables": [table.state() for table, _ in self._tables],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: the state of other parameters.
        """
        if len(state["tables"]) != len(self._tables) or (state["dense"] is None) != (self._dense is None):
            raise CheckpointError(
                "the optimiser's state is that of other parameters: resume with the run's own settings"
            )
        self._step = state["step"]
        if self._dense is not None:
            self._dense.load_state_dict(state["dense"])
        if isinstance(self._dense, torch.optim.Adam):
            for group in self._dense.param_groups:
                group["fused"] = True  # which a state from the CPU does not say
        for (table, _), saved in zip(self._tables, state["tables"], strict=True):
            _check_state(saved, table.mean.shape)
            table.load(saved)


def on_cpu(state: Any) -> Any:
    """A state of nested mappings and lists with its tensors on the CPU: those that are there already, as they are."""
    if isinstance(state, torch.Tensor):
        return state.cpu()
    if isinstance(state, Mapping):
        return {name: on_cpu(value) for name, value in state.items()}
    return [on_cpu(value) for value in state] if isinstance(state, list) else state


def _check_state(saved: Mapping[str, torch.Tensor], shape: Sequence[int]) -> None:
    """Raise CheckpointError unless the state is that of a table of R rows of W numbers, `shape`."""
    n_rows, *width = shape
    rows = saved["rows"]
    if list(saved["mean"].shape[1:]) != width or (len(rows) and int(rows.max()) >= n_rows):
        raise CheckpointError("the optimiser's state is that of a table of another shape")


class _TableState:
    """Moments and clocks of one table's rows."""

    def __init__(self, parameter: RowTable) -> None:
        self.parameter = parameter
        self.gradient = parameter.collect()
        rows = rows_of(parameter)
        self.mean, self.square = np.zeros(rows.shape, rows.dtype), np.zeros(rows.shape, rows.dtype)
        self.last = np.zeros(len(rows), dtype=np.int64)  # the step of the last update; 0: never

    def clear(self) -> None:
        self.gradient.clear()

    def release(self) -> None:
        self.parameter.release()

    def update(self, step: int, rate: float, tails: np.ndarray) -> None:
        update_rows(
            rows_of(self.parameter), self.mean, self.square, self.last, self.gradient.arrays,
            step, rate, *BETAS, EPSILON, tails,
        )  # fmt: skip

    def state(self) -> dict[str, torch.Tensor]:
        rows = np.flatnonzero(self.last)
        arrays = {"rows": rows, "last": self.last[rows], "mean": self.mean[rows], "square": self.square[rows]}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def load(self, saved: Mapping[str, torch.Tensor]) -> None:
        arrays = {name: tensor.numpy() for name, tensor in saved.items()}
        rows = arrays["rows"]
        self.mean[:], self.square[:], self.last[:] = 0, 0, 0
        self.last[rows], self.mean[rows], self.square[rows] = arrays["last"], arrays["mean"], arrays["square"]
