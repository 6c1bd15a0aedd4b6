"""Compilation of kernels: one decorator for all of them."""

import hashlib
import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numba
from numba.core import types
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher, cpu_target

F = TypeVar("F", bound=Callable[..., Any])
_PACKAGE = __name__.partition(".")[0]


def kernel(
    *, inline: bool = False, inner: bool = False, early: bool = False, allocates: bool = False, fastmath: bool = False
) -> Callable[[F], F]:
    """Compile a function with Numba in nopython mode, releasing the GIL, cached on disk where that is possible.

    Where neither the package's folder nor the user's cache folder can be written, the function is compiled
    anew in each process: slower to start, nothing else.

    Arguments:
        inline: inline into calling kernels.
        inner: whether the kernel is for other kernels alone. It has no entry from Python, is not cached by itself, and
            is optimised and translated as a part of its callers alone, which takes two thirds off the time that these
            need to compile; called from Python it raises TypeError. Its arrays belong to its callers, so it counts no
            references to them: that took a third of the time of kernels that work on rows of 64 numbers. One that
            returns an array, or a tuple with one, is for inner kernels alone: others would free what is not theirs.
        early: whether an inner kernel is optimised by itself, too, before it becomes a part of its callers. Some loops
            are vectorised better then, most are not; benchmarks say which.
        allocates: whether an inner kernel makes arrays, or views by functions like `np.transpose`, for which references
            have to be counted. One that does so and does not say it cannot be compiled.
        fastmath: allow the reassociation and contraction that vectorised reductions need; NaN and infinities
            keep their meaning.
    """
    flags: set[str] = {"reassoc", "contract", "arcp", "nsz"} if fastmath else set()

    def compile_(function: F) -> F:
        with suppress(OSError):  # the file as it is now, not as it may be when the kernel is compiled
            _hash_of_file(inspect.getfile(function))
        options: dict[str, Any] = {
            "nogil": True,
            "error_model": "numpy",
            "fastmath": flags,
            "inline": "always" if inline else "never",
            "_nrt": allocates or not inner,  # said in any case: a kernel takes it over from its callers otherwise
        }
        if inner:
            options |= {"nopython": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
            pipeline = _EarlyPipeline if early else _InnerPipeline
            return cast(F, _InnerKernel(py_func=function, targetoptions=options, pipeline_class=pipeline))
        dispatcher: Any = numba.njit(**options)(function)
        with suppress(RuntimeError, OSError):  # Numba found no folder for its cache, or no source file
            dispatcher._cache = _KernelCache(function)
        return cast(F, dispatcher)

    return compile_


class _InnerKernel(CPUDispatcher):
    """A function that only kernels call: without an entry, calling it would end the process.

    It is compiled once for all integers and truth values of a call, not anew for constants and for narrow integers.
    """

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return super().get_call_template(tuple(map(_usual, args)), {name: _usual(t) for name, t in dict(kws).items()})

    def __call__(self, *_: Any, **__: Any) -> Any:
        name = f"{self.py_func.__module__}.{self.py_func.__qualname__}"
        raise TypeError(f"{name} is an inner kernel: other kernels call it, Python cannot")


def _usual(type_: types.Type) -> types.Type:
    general = types.unliteral(type_)
    return types.int64 if general == types.int32 else general


class _InnerLibrary(JITCodeLibrary):
    """Code that is linked into that of other kernels and has no address of its own.

    Numba optimises every function together with all that it calls, and translates that into machine code. With
    functions that call functions of the package, on six levels, most is done six times, and nobody calls the results.
    """

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002
        return 0  # what Numba takes for a function without code

    @property
    def codegen(self) -> Any:
        return _NoEnvironments(self._codegen)


class _EarlyLibrary(_InnerLibrary):
    """The same, optimised by itself before."""

    def _optimize_final_module(self) -> None:
        JITCodeLibrary._optimize_final_module(self)


class _InnerPipeline(Compiler):
    """Compiles an inner kernel into a library that waits for its callers."""

    library_type: type[_InnerLibrary] = _InnerLibrary

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *args: Any) -> None:
        super().__init__(typingctx, targetctx, library, *args)
        self.state.library = self.library_type(self.state.targetctx.codegen(), "inner kernel")


class _EarlyPipeline(_InnerPipeline):
    library_type = _EarlyLibrary


class _NoEnvironments:
    """Numba's code generator, but for environments: it would write that of a function to the address of its code."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def set_env(self, name: str, environment: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)


class _KernelCache(FunctionCache):
    """Numba's cache on disk, for kernels that are made of other kernels, in folders that may become unusable.

    Numba compiles a kernel anew when its own file has changed. The kernels that it calls are compiled into it, and so
    are their constants, wherever they stand: they belong to the key, or an upgrade would run old code.
    """

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), _ingredients(self._py_func))

    def is_empty(self) -> bool:
        """Whether there is no code of the kernel as it is now, for this processor."""
        context: Any = cpu_target.target_context
        wanted = context.codegen().magic_tuple(), _ingredients(self._py_func)
        try:
            return all((key[1], key[-1]) != wanted for key in self._cache_file._load_index())
        except OSError:
            return False

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except OSError:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:  # the folder has gone, is full or write-protected since it was found
            self.disable()


def is_missing(kernel: Callable[..., Any]) -> bool:
    """Whether a kernel has a cache on disk that lacks it, so that another process could compile it meanwhile."""
    cached = getattr(kernel, "_cache", None)
    return isinstance(cached, _KernelCache) and cached.is_empty()


def _ingredients(function: FunctionType) -> str:
    """Hash of this file, those of all functions of this package that a function calls, and the constants they use."""
    found = {function}
    waiting = [function]
    numbers: set[str] = set()
    while waiting:
        current = waiting.pop()
        for name in current.__code__.co_names:
            value = current.__globals__.get(name)
            value = getattr(value, "py_func", value)
            if isinstance(value, FunctionType):
                if value.__module__.partition(".")[0] == _PACKAGE and value not in found:
                    found.add(value)
                    waiting.append(value)
            elif isinstance(value, int | float | tuple):  # float: NumPy's float64 too; other scalars by their files
                numbers.add(f"{current.__module__} {name} {value!r}")
    files = sorted({_hash_of_file(__file__), *(_hash_of_file(inspect.getfile(f)) for f in found)})
    return hashlib.sha256("\n".join([*files, *sorted(numbers)]).encode()).hexdigest()


@cache
def _hash_of_file(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
