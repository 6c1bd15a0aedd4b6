"""Empirical matrices of amino-acid substitution, read from the data folder."""

import hashlib
from functools import cache

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.datasets import data_folder
from vbpi_mix.phylo.data_type import PROTEIN_MATRICES

__all__ = ["PROTEIN_MATRICES", "protein_matrix"]
_SHA256 = "a6a2d74e14e1de3237b92a796a688cae562602d64b64d2b969f41233270809b2"


def protein_matrix(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(190,) exchangeabilities of A-R, A-N, ..., Y-V (rows of the upper triangle) and (20,) frequencies.

    Amino acids are in the order of `phylo.data_type.AMINO_ACIDS`.

    Arguments:
        name: one of `PROTEIN_MATRICES`, or Poisson: all alike.

    Raises:
        InputError: the file of matrices is missing or damaged.
    """
    if name == "Poisson":
        return np.ones(190), np.full(20, 0.05)
    return _matrices()[name]


@cache
def _matrices() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    path = data_folder() / "protein_matrices.txt"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): install the package anew") from error
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise InputError(f"{path}: its SHA-256 is not the expected one: install the package anew")
    lines = [line for line in content.decode().splitlines() if line and not line.startswith("#")]
    found = {}
    for first in range(0, len(lines), 21):
        lower = np.zeros((20, 20))
        for i in range(1, 20):
            lower[i, :i] = [float(x) for x in lines[first + i].split()]
        frequencies = np.array([float(x) for x in lines[first + 20].split()])
        rows, columns = np.triu_indices(20, 1)
        found[lines[first]] = lower.T[rows, columns].copy(), frequencies / frequencies.sum()
    return found
