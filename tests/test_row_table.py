"""Gradients gathered by row, against dense ones."""

import copy

import numpy as np
import pytest
import torch

from vbpi_mix.row_table import RowBackward, RowGradient, RowTable, rows_of, slot_of

ORDERS = [(0, 1, 2), (1, 0, 2), (2, 0, 1)]


def give(gradient, rows, values):
    for row, value in zip(rows, values, strict=True):
        gradient.values[slot_of(row, gradient.arrays)] += value


def test_touched_rows_add_up_to_the_dense_gradient():
    generator = np.random.default_rng(1)
    gradient = RowGradient(50, 3, np.dtype(np.float64))
    gradient.values[:] = np.nan  # memory that nobody has written must not be seen
    for _ in range(3):  # used again after `clear`
        rows, values = generator.integers(50, size=40), generator.normal(size=(40, 3))
        give(gradient, rows, values)
        dense, whole = np.zeros((50, 3)), np.zeros((50, 3))
        np.add.at(dense, rows, values)
        gradient.add_to(whole)
        np.testing.assert_allclose(whole, dense, rtol=1e-14)
        assert sorted(gradient.touched) == sorted(set(rows.tolist()))
        gradient.clear()
        assert len(gradient.touched) == 0
        assert (gradient.slots == -1).all()


@pytest.mark.parametrize("order", ORDERS)
def test_rows_share_the_memory_of_a_table(order):
    data = torch.arange(24.0).reshape(2, 3, 4)
    table = RowTable(data, order)
    assert torch.equal(table.detach(), data)
    rows = rows_of(table)
    np.testing.assert_array_equal(rows, data.permute(order).reshape(data.shape[order[0]], -1).numpy())
    rows[1, 2] = -5.0
    assert (table.detach() == -5.0).sum() == 1
    twin = copy.deepcopy(table)
    rows[1, 2] = 7.0
    assert twin.order == order
    assert rows_of(twin)[1, 2] == -5.0


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("collecting", [False, True])
def test_a_backward_pass_gathers_rows_or_returns_the_gradient_in_the_shape_of_the_table(order, collecting):
    generator = np.random.default_rng(2)
    table = RowTable(torch.from_numpy(generator.normal(size=(2, 3, 4))), order)
    if collecting:
        table.collect()
    backward = RowBackward(table, order)
    n_rows, width = backward.rows.shape
    some, every = generator.normal(size=width), generator.normal(size=(n_rows, width))
    gradient = backward.begin()
    give(gradient, [1], [some])
    results = [backward.finish(gradient), backward.whole(every)]
    only = np.zeros((n_rows, width))
    only[1] = some
    if collecting:
        assert results == [None, None]
        whole = np.zeros((n_rows, width))
        table.collecting.add_to(whole)
        np.testing.assert_allclose(whole, only + every, rtol=1e-14)
    else:
        for result, rows in zip(results, (only, every), strict=True):
            assert result.shape == table.shape
            np.testing.assert_array_equal(rows_of(result, order), rows)
