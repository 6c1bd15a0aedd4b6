"""Tables of which a step touches few rows: parameters, and gradients that hold those rows alone."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.compiled import kernel
from vbpi_mix.errors import ConfigError


class RowGradient:
    """The gradient of a table of R rows of W numbers, kept for the rows touched since `clear`.

    Rows get a slot when they are first touched (`slot_of`); `arrays` is what kernels take. Memory is taken once, and
    only the slots in use are ever written, so a step costs what it touches.

    Arguments:
        n_rows: R.
        width: W.
        dtype: data type of the values.
    """

    def __init__(self, n_rows: int, width: int, dtype: np.dtype) -> None:
        self.values = np.empty((n_rows, width), dtype=dtype)
        self.slots = np.full(n_rows, -1, dtype=np.int32)
        self.rows = np.empty(n_rows, dtype=np.int32)
        self.count = np.zeros(1, dtype=np.int64)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(values (R, W), slots (R,) of the rows or -1, rows (R,) of the slots, count (1,) of slots in use)."""
        return self.values, self.slots, self.rows, self.count

    @property
    def touched(self) -> np.ndarray:
        """(U,) int32 touched rows, in the order of their slots."""
        return self.rows[: int(self.count[0])]

    def clear(self) -> None:
        """Forget everything, in time proportional to the rows touched."""
        self.slots[self.touched] = -1
        self.count[0] = 0

    def add_to(self, rows: np.ndarray) -> None:
        """Add the gradient to an (R, W) array."""
        rows[self.touched] += self.values[: len(self.touched)]


class RowTable(nn.Parameter):
    """A parameter stored as R contiguous rows, of which a step touches few.

    It has the shape that formulas ask for; `order` says which of its axes come first in memory. While `collecting`
    is set, the backward passes of the package's kernels add to it in place of returning a gradient as large as the
    table; without it the parameter behaves like any other.

    Arguments:
        data: the values; stored anew if their memory is in another order.
        order: the axes in the order of memory, that of the rows first.

    Examples:
        >>> table = RowTable(torch.zeros(4, 100), order=(1, 0))  # 100 rows of 4
        >>> rows_of(table).shape
        (100, 4)
    """

    order: tuple[int, ...]
    collecting: RowGradient | None

    def __new__(cls, data: Tensor, order: Sequence[int]) -> "RowTable":
        stored = data.detach().permute(tuple(order)).contiguous()
        table = super().__new__(cls, stored.permute(_inverse(order)), True)
        table.order, table.collecting = tuple(order), None
        return table

    def __init__(self, data: Tensor, order: Sequence[int]) -> None:
        """Only `__new__` matters; this gives the signature."""
        del data, order
        super().__init__()

    def __deepcopy__(self, memo: dict[int, object]) -> "RowTable":
        copy = RowTable(self.detach().clone(), self.order)
        memo[id(self)] = copy
        return copy

    def collect(self) -> RowGradient:
        """Start to gather gradients by row; see `release`."""
        rows = rows_of(self)
        self.collecting = RowGradient(rows.shape[0], rows.shape[1], rows.dtype)
        return self.collecting

    def release(self) -> None:
        """Be an ordinary parameter again."""
        self.collecting = None


def _inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(order))


def rows_of(table: Tensor, order: Sequence[int] | None = None) -> np.ndarray:
    """(R, W) array of a table's rows; it shares the memory of a `RowTable`.

    Arguments:
        table: a `RowTable`, or any tensor of the same shape.
        order: the order of axes, for a tensor that is no `RowTable`.

    Raises:
        ConfigError: a table that is not on the CPU.
    """
    if table.device.type != "cpu":
        raise ConfigError(f"tables of rows are kept on the cpu, this one is on {table.device}: move the module there")
    order = table.order if isinstance(table, RowTable) else order
    assert order is not None
    array = table.detach().permute(tuple(order)).numpy()
    return np.ascontiguousarray(array).reshape(array.shape[0], -1)


class RowBackward:
    """Place for the gradient of a table from the backward pass of a kernel.

    Arguments:
        table: a `RowTable`, or another tensor in its place.
        order: see `rows_of`.
    """

    def __init__(self, table: Tensor, order: Sequence[int]) -> None:
        self._shape = [table.shape[i] for i in order]
        self._order = tuple(order)
        self._collecting = table.collecting if isinstance(table, RowTable) else None
        self.rows = rows_of(table, order)

    def begin(self) -> RowGradient:
        """The gradient to add to."""
        return self._collecting or RowGradient(self.rows.shape[0], self.rows.shape[1], self.rows.dtype)

    def whole(self, gradient: np.ndarray) -> Tensor | None:
        """Return value of backward for an (R, W) gradient of every row, gathered by row or not."""
        if self._collecting is None:
            return torch.from_numpy(gradient.reshape(self._shape)).permute(_inverse(self._order))
        add_rows(gradient, self._collecting.arrays)
        return None

    def finish(self, gradient: RowGradient) -> Tensor | None:
        """Return value of backward: None where gradients are gathered by row, else the whole gradient."""
        if self._collecting is not None:
            return None
        whole = np.zeros_like(self.rows)
        gradient.add_to(whole)
        return torch.from_numpy(whole.reshape(self._shape)).permute(_inverse(self._order))


@kernel()
def slot_of(row: int, gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> int:
    """The slot of a row in `RowGradient.arrays`; a new one is filled with zeros."""
    values, slots, rows, count = gradient
    slot = slots[row]
    if slot < 0:
        slot = np.int32(count[0])
        slots[row] = slot
        rows[slot] = row
        count[0] += 1
        values[slot] = 0.0
    return int(slot)


@kernel()
def add_rows(whole: np.ndarray, gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Add an (R, W) array to `RowGradient.arrays`."""
    for row in range(len(whole)):
        slot = slot_of(row, gradient)
        for j in range(whole.shape[1]):
            gradient[0][slot, j] += whole[row, j]
