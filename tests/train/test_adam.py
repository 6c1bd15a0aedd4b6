"""Adam on touched rows against torch's Adam on the whole table."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from vbpi_mix.errors import CheckpointError
from vbpi_mix.row_table import RowGradient, RowTable, rows_of, slot_of
from vbpi_mix.train.adam import Adam


def give(gradient: RowGradient, rows, values):
    for row, value in zip(rows, values, strict=True):
        gradient.values[slot_of(int(row), gradient.arrays)] += value


def whole(gradient: RowGradient):
    result = np.zeros_like(gradient.values)
    gradient.add_to(result)
    return result


def compare(schedule, *, n_rows=6, width=5, dtype=torch.float64, seed=1, rate=0.01, scale=1.0):
    """Run both optimisers on the same gradients; returns (ours, torch's) tables after each step."""
    generator = np.random.default_rng(seed)
    start = torch.from_numpy(generator.normal(size=(n_rows, width))).to(dtype)
    table, other = RowTable(start, (0, 1)), nn.Parameter(start.clone())
    ours, theirs = Adam([[table]], [rate]), torch.optim.Adam([other], lr=rate)
    states = []
    for rows in schedule:
        values = generator.normal(size=(len(rows), width)) * scale + 0.3 * scale
        ours.zero_grad()
        give(table.collecting, rows, values)
        other.grad = torch.from_numpy(whole(table.collecting))
        ours.step()
        theirs.step()
        states.append((table.detach().clone(), other.detach().clone()))
    return states


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_with_every_row_touched_it_is_adam(dtype, tolerance):
    for ours, theirs in compare([np.arange(6)] * 50, dtype=dtype):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def test_idle_rows_are_where_adam_puts_them_once_they_are_touched_again():
    generator = np.random.default_rng(3)
    schedule = [generator.permutation(6)[: generator.integers(1, 4)] for _ in range(300)]
    for rows, (ours, theirs) in zip(schedule, compare(schedule), strict=True):
        touched = np.asarray(rows)
        torch.testing.assert_close(ours[touched], theirs[touched], rtol=0, atol=2e-7)


@pytest.mark.parametrize("idle", [1, 5, 200, 255, 256, 257, 700])
@pytest.mark.parametrize("before", [1, 30])
def test_a_long_rest_is_made_up_for(idle, before):
    schedule = [[0, 1]] * before + [[1]] * idle + [[0, 1]]
    ours, theirs = compare(schedule)[-1]
    torch.testing.assert_close(ours[:2], theirs[:2], rtol=0, atol=2e-8)


def test_rows_without_gradient_do_not_move():
    states = compare([[0, 2]] * 5 + [[2]] * 5)
    assert torch.equal(states[4][0][0], states[9][0][0])
    assert torch.equal(states[0][0][1], states[9][0][1])


def test_tiny_gradients_keep_the_meaning_of_epsilon():
    schedule = [[0, 1], [1], [1], [1], [0, 1]]
    ours, theirs = compare(schedule, scale=1e-8)[-1]
    # gradients of the size of epsilon: a quarter of one learning rate, after five steps
    torch.testing.assert_close(ours[:2], theirs[:2], rtol=0, atol=0.25 * 0.01)


def test_transposed_tables_and_ordinary_parameters_together():
    generator = torch.Generator().manual_seed(5)
    start = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    table, plain = RowTable(start, (1, 0)), nn.Parameter(torch.ones(4, dtype=torch.float64))
    other = [nn.Parameter(start.clone()), nn.Parameter(torch.ones(4, dtype=torch.float64))]
    ours = Adam([[table, plain], []], [0.1, 0.2])
    theirs = torch.optim.Adam(other, lr=0.1)
    assert rows_of(table).shape == (7, 3)
    for factor in (1.0, 0.5):
        ours.set_factor(factor)
        theirs.param_groups[0]["lr"] = 0.1 * factor
        ours.zero_grad()
        values = torch.randn(7, 3, generator=generator, dtype=torch.float64)
        give(table.collecting, range(7), values.numpy())
        plain.grad = torch.arange(4.0, dtype=torch.float64)
        other[0].grad, other[1].grad = values.T.contiguous(), plain.grad.clone()
        ours.step()
        theirs.step()
        torch.testing.assert_close(table.detach(), other[0].detach())
        torch.testing.assert_close(plain.detach(), other[1].detach())
    ours.release()
    assert table.collecting is None


def test_a_restored_optimiser_goes_on_bit_for_bit():
    generator = np.random.default_rng(7)
    start = torch.from_numpy(generator.normal(size=(8, 3)))
    steps = [(generator.permutation(8)[:3], generator.normal(size=(3, 3))) for _ in range(20)]

    def advance(table, optimiser, part):
        for rows, values in part:
            optimiser.zero_grad()
            give(table.collecting, rows, values)
            optimiser.step()

    whole_table = RowTable(start, (0, 1))
    optimiser = Adam([[whole_table]], [0.1])
    advance(whole_table, optimiser, steps[:11])
    state, values = copy.deepcopy(optimiser.state_dict()), whole_table.detach().clone()
    advance(whole_table, optimiser, steps[11:])

    restored = RowTable(values, (0, 1))
    again = Adam([[restored]], [0.1])
    again.load_state_dict(state)
    advance(restored, again, steps[11:])
    assert torch.equal(restored, whole_table)
    final = [optimiser.state_dict()["tables"][0], again.state_dict()["tables"][0]]
    assert all(torch.equal(final[0][key], final[1][key]) for key in final[0])
    with pytest.raises(CheckpointError, match="another shape"):
        Adam([[RowTable(torch.zeros(8, 4, dtype=torch.float64), (0, 1))]], [0.1]).load_state_dict(state)
    with pytest.raises(CheckpointError, match="other parameters"):
        Adam([[nn.Parameter(torch.zeros(2))]], [0.1]).load_state_dict(state)


def test_copies_and_states_of_modules_keep_tables():
    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = RowTable(torch.randn(2, 3, 4, dtype=torch.float64), (1, 2, 0))

    module = Module()
    twin = copy.deepcopy(module)
    assert isinstance(twin.table, RowTable)
    assert twin.table.order == (1, 2, 0)
    with torch.no_grad():
        twin.table.zero_()
    twin.load_state_dict(module.state_dict())
    assert torch.equal(twin.table, module.table)
    assert np.shares_memory(rows_of(twin.table), twin.table.detach().numpy())
    assert type(module.state_dict()["table"]) is torch.Tensor


def test_moments_move_with_the_rows():
    """A table whose rows were spread over a larger one is updated as the small one is."""
    generator = torch.Generator().manual_seed(1)
    small, large = (RowTable(torch.zeros(n, 2, dtype=torch.float64), (0, 1)) for n in (4, 7))
    place = np.array([5, 0, 6, 2])
    first, second = Adam([[small]], [0.1]), Adam([[large]], [0.1])
    gradients = torch.randn((6, 4, 2), generator=generator, dtype=torch.float64).numpy()

    def step(optimizer, table, rows, gradient):
        optimizer.zero_grad()
        give(table.collecting, rows, gradient)
        optimizer.step()

    for gradient in gradients[:3]:
        step(first, small, np.arange(4), gradient)
    second.load_state_dict(first.renumber(first.state_dict(), [place]))
    with torch.no_grad():
        large[place] = small.detach()
    for gradient in gradients[3:]:
        step(first, small, np.arange(4), gradient)
        step(second, large, place, gradient)
    assert torch.equal(large.detach()[place], small.detach())
    rest = np.setdiff1d(np.arange(7), place)
    assert not large.detach()[rest].any()
    same = first.renumber(first.state_dict(), [None])
    assert all(torch.equal(same["tables"][0][k], v) for k, v in first.state_dict()["tables"][0].items())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_in_torch_from_whole_gradients_it_is_the_same(dtype, tolerance):
    """Rows that rest for a while, or longer than is remembered step by step; tiny gradients; states change hands."""
    generator = np.random.default_rng(6)
    start = torch.from_numpy(generator.normal(size=(3, 4, 2))).to(dtype)
    schedule = [generator.permutation(4)[:2] for _ in range(20)] + [[1]] * 300 + [[0, 1, 2, 3], [1, 2]]
    compiled, plain = (RowTable(start, (1, 2, 0)) for _ in range(2))
    ours, theirs = Adam([[plain]], [0.01], in_torch=True), Adam([[compiled]], [0.01])
    for i, rows in enumerate(schedule):
        values = torch.zeros(4, 2, 3, dtype=dtype)
        values[rows] = torch.from_numpy(generator.normal(size=(len(rows), 2, 3))).to(dtype)
        values[rows, 0, 0] = 1e-17
        ours.zero_grad()
        theirs.zero_grad()
        plain.grad = values.permute(2, 0, 1).contiguous()
        give(compiled.collecting, rows, values[rows].reshape(len(rows), 6).numpy())
        ours.step()
        theirs.step()
        torch.testing.assert_close(plain, compiled, rtol=tolerance, atol=tolerance, msg=str(i))
        if i == 10:
            states = ours.state_dict(), theirs.state_dict()
            ours.load_state_dict(states[1])
            theirs.load_state_dict(states[0])
    with pytest.raises(CheckpointError, match="table of another shape"):
        Adam([[RowTable(start[:2], (1, 2, 0))]], [0.01], in_torch=True).load_state_dict(ours.state_dict())
