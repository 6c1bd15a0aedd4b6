import numpy as np

from vbpi_mix.row_table import RowGradient
from vbpi_mix.variational.response_kernels import backward, forward


def test_both_passes_are_those_of_the_sum():
    """out = sum_j rows[ids, j] whitened[t, j]; derivatives of sum(upstream out) by einsum."""
    generator = np.random.default_rng(1)
    n_trees, n_edges, n_rows, d = 5, 7, 9, 3
    ids = generator.integers(n_rows - 1, size=(n_trees, n_edges))  # the last row is in no tree
    rows, whitened = generator.normal(size=(n_rows, d)), generator.normal(size=(n_trees, d))
    out = np.full((n_trees, n_edges), np.nan)
    forward(ids, rows, whitened, out)
    np.testing.assert_allclose(out, np.einsum("tej,tj->te", rows[ids], whitened), rtol=1e-13)

    upstream, of_whitened = generator.normal(size=out.shape), np.zeros_like(whitened)
    gradient, whole, expected = RowGradient(n_rows, d, rows.dtype), np.zeros_like(rows), np.zeros_like(rows)
    backward(ids, rows, whitened, upstream, gradient.arrays, of_whitened)
    gradient.add_to(whole)
    np.add.at(expected, ids, upstream[:, :, None] * whitened[:, None, :])
    np.testing.assert_allclose(whole, expected, rtol=1e-12)
    np.testing.assert_allclose(of_whitened, np.einsum("te,tej->tj", upstream, rows[ids]), rtol=1e-12)
    assert n_rows - 1 not in gradient.touched
