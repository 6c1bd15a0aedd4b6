"""Values and gradients by BEAGLE's C library, which MrBayes and BEAST use (Debian: libhmsbeagle1v5).

BEAGLE has no gradient in all lengths of its own at version 3.1. What it has is the derivative of one edge between two
partial likelihoods, so the gradient takes the partial likelihoods on either side of every edge: N-2 operations upward,
some 2N-3 downward and one derivative an edge. Double precision, SSE, one thread.
"""

import ctypes
import ctypes.util
from collections.abc import Sequence

import numpy as np

_DOUBLE, _SSE, _CPU, _UNTHREADED = 1 << 1, 1 << 11, 1 << 15, 1 << 14
_NONE = -1


def library() -> ctypes.CDLL | None:
    """BEAGLE, if it is installed."""
    name = ctypes.util.find_library("hmsbeagle") or "libhmsbeagle.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _integers(values: Sequence[int] | np.ndarray) -> ctypes.Array[ctypes.c_int]:
    return (ctypes.c_int * len(values))(*(int(v) for v in values))


def _reals(values: np.ndarray) -> ctypes.Array[ctypes.c_double]:
    flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
    return (ctypes.c_double * len(flat)).from_buffer_copy(flat)


class BeagleTree:
    """The likelihood of one topology; the numbering of nodes and edges is that of this package.

    Arguments:
        children: (N-2, 2).
        partials: (N, P, n) of the tips.
        weights: (P,) of the patterns.
        spectrum: values (n,), right eigenvectors in columns and their inverse (n, n), of the rate matrix.
        frequencies: (n,).
        rates: (C,) of the categories.
        category_weights: (C,).
    """

    def __init__(
        self,
        children: np.ndarray,
        partials: np.ndarray,
        weights: np.ndarray,
        spectrum: tuple[np.ndarray, np.ndarray, np.ndarray],
        frequencies: np.ndarray,
        rates: np.ndarray,
        category_weights: np.ndarray,
    ) -> None:
        found = library()
        assert found is not None
        self._library = found
        n, n_patterns, n_states = partials.shape
        self.n_taxa, n_edges = n, 2 * n - 3
        values, left, right = spectrum
        requirements = ctypes.c_long(_DOUBLE | _SSE | _CPU)
        self._instance: int = found.beagleCreateInstance(
            n, 4 * n, n, n_states, n_patterns, 1, 2 * n_edges, len(rates), 0, None, 0, ctypes.c_long(_UNTHREADED),
            requirements, ctypes.byref(ctypes.create_string_buffer(256)),
        )  # fmt: skip
        if self._instance < 0:
            raise RuntimeError(f"BEAGLE makes no instance: {self._instance}")
        for tip in range(n):
            known = partials[tip].sum(axis=1) == 1.0
            if known.all() or (partials[tip][~known] == 1.0).all():
                states = np.where(known, partials[tip].argmax(axis=1), n_states)
                self._call("beagleSetTipStates", tip, _integers(states))
            else:
                self._call("beagleSetTipPartials", tip, _reals(partials[tip]))
        self._call("beagleSetPatternWeights", _reals(weights))
        self._call("beagleSetEigenDecomposition", 0, _reals(left), _reals(right), _reals(values))
        self._call("beagleSetStateFrequencies", 0, _reals(frequencies))
        self._call("beagleSetCategoryWeights", 0, _reals(category_weights))
        self._call("beagleSetCategoryRates", _reals(rates))
        self._edges = _integers(range(n_edges))
        self._slopes = _integers(range(n_edges, 2 * n_edges))
        top = 2 * n - 3
        outside = 2 * n  # first buffer of outside partial likelihoods
        upward, downward = [], []
        for i, (a, b) in enumerate(children.tolist()):
            upward += [n + i, _NONE, _NONE, a, a, b, b]
        for i in range(n - 3, -1, -1):
            node = n + i
            above = (0, 0) if node == top else (outside + node, node)
            for child, sibling in (children[i].tolist(), children[i, ::-1].tolist()):
                downward += [outside + child, _NONE, _NONE, *above, sibling, sibling]
        self._upward, self._n_upward = _integers(upward), len(upward) // 7
        self._downward, self._n_downward = _integers(downward), len(downward) // 7
        pairs = [(top, 0), *((outside + v, v) for v in range(1, n_edges))]
        self._pairs = [tuple(_integers([x]) for x in (*pair, v, n_edges + v)) for v, pair in enumerate(pairs)]
        self._zero, self._none = _integers([0]), _integers([_NONE])

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self._library, name)(self._instance, *arguments)
        if status != 0:
            raise RuntimeError(f"{name}: {status}")

    def evaluate(self, lengths: np.ndarray, *, with_gradient: bool) -> tuple[float, np.ndarray | None]:
        """The log-likelihood, and the derivatives in the lengths (E,)."""
        slopes = self._slopes if with_gradient else None
        self._call(
            "beagleUpdateTransitionMatrices", 0, self._edges, slopes, None, _reals(lengths), len(lengths)
        )  # fmt: skip
        self._call("beagleUpdatePartials", self._upward, self._n_upward, _NONE)
        value = ctypes.c_double()
        if not with_gradient:
            parent, child, matrix, _ = self._pairs[0]
            self._call(
                "beagleCalculateEdgeLogLikelihoods", parent, child, matrix, None, None, self._zero, self._zero,
                self._none, 1, ctypes.byref(value), None, None,
            )  # fmt: skip
            return value.value, None
        self._call("beagleUpdatePartials", self._downward, self._n_downward, _NONE)
        gradient, slope = np.empty(len(lengths)), ctypes.c_double()
        for v, (parent, child, matrix, of_slope) in enumerate(self._pairs):
            self._call(
                "beagleCalculateEdgeLogLikelihoods", parent, child, matrix, of_slope, None, self._zero, self._zero,
                self._none, 1, ctypes.byref(value), ctypes.byref(slope), None,
            )  # fmt: skip
            gradient[v] = slope.value
        return value.value, gradient

    def __del__(self) -> None:
        if getattr(self, "_instance", -1) >= 0:
            self._library.beagleFinalizeInstance(self._instance)
