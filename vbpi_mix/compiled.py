"""How kernels are compiled: one decorator for all of them."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(*, parallel: bool = False, inline: bool = False, fastmath: bool = False) -> Callable[[F], F]:
    """Compile a function with Numba in nopython mode, releasing the GIL, cached on disk where that is possible.

    Where neither the package's folder nor the user's cache folder can be written, the function is compiled
    anew in each process: slower to start, nothing else.

    Arguments:
        parallel: turn `numba.prange` loops into threads.
        inline: inline into calling kernels.
        fastmath: allow the reassociation and contraction that vectorised reductions need; NaN and infinities
            keep their meaning.
    """
    flags: set[str] = {"reassoc", "contract", "arcp", "nsz"} if fastmath else set()

    def compile_(function: F) -> F:
        options: dict[str, Any] = {
            "parallel": parallel,
            "nogil": True,
            "error_model": "numpy",
            "fastmath": flags,
            "inline": "always" if inline else "never",
        }
        try:
            return cast(F, numba.njit(cache=True, **options)(function))
        except RuntimeError:  # Numba found no folder for its cache
            return cast(F, numba.njit(**options)(function))

    return compile_
