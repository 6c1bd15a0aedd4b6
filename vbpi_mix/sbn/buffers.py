"""Memory that serves step after step: fresh pages of a few megabytes cost more than the arithmetic on them."""

import math

import numpy as np


class Buffers:
    """Float64 arrays to take and give back; one that is never given back is simply freed."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []

    def take(self, *shape: int) -> np.ndarray:
        """An array that is not initialised: the best fitting free one, or a new one with an eighth to spare."""
        size = math.prod(shape)
        fitting = [(len(buffer), i) for i, buffer in enumerate(self._free) if len(buffer) >= size]
        buffer = self._free.pop(min(fitting)[1]) if fitting else np.empty(size + size // 8)
        return buffer[:size].reshape(shape)

    def give(self, *arrays: np.ndarray) -> None:
        """Take back arrays that nobody reads any more; at most eight are kept."""
        for array in arrays:
            whole = array
            while isinstance(whole.base, np.ndarray):
                whole = whole.base
            self._free.append(whole.reshape(-1))
        self._free.sort(key=len)
        del self._free[:-8]

    def lend(self, *arrays: np.ndarray) -> "Loan":
        """Keep arrays until the object returned is no longer referred to, then take them back."""
        return Loan(self, arrays)

    def __deepcopy__(self, memo: dict[int, object]) -> "Buffers":
        return Buffers()


class Loan:
    """Arrays that go back to their buffers with this object: with the graph of a step, however often it is used."""

    def __init__(self, buffers: Buffers, arrays: tuple[np.ndarray, ...]) -> None:
        self._buffers, self._arrays = buffers, arrays

    def __del__(self) -> None:
        self._buffers.give(*self._arrays)
