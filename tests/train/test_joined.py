"""Parameters of several models in one table, and one optimiser for all of them."""

import numpy as np
import pytest
import torch
from torch import nn

from vbpi_mix.errors import ConfigError
from vbpi_mix.row_table import RowTable
from vbpi_mix.train import JoinedTable
from vbpi_mix.train.adam import Adam
from vbpi_mix.train.joined_adam import JoinedAdam

CPU = torch.device("cpu")
# name: shapes of three models, order of the table's axes, group; as in a mixture
KINDS = {
    "logits": (((2, 5), (1, 3), (4, 4)), (1, 0), 0),
    "table": (((2, 6, 2), (1, 4, 2), (4, 7, 2)), (1, 2, 0), 1),
    "rows": (((6, 3), (4, 3), (7, 3)), (0, 1), 2),
    "bias": (((2,), (2,), (2,)), (0,), 2),
    "factor": (((2, 2, 2), (1, 2, 2), (4, 2, 2)), None, 3),
}
RATES = [0.01, 0.03, 0.002, 0.05]


def parameters(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    made = []
    for i in range(3):
        own = []
        for name, (shapes, order, _) in KINDS.items():
            values = torch.randn(shapes[i], generator=generator, dtype=dtype)
            own.append((name, nn.Parameter(values) if order is None else RowTable(values, order)))
        made.append(own)
    return made


def by_group(own):
    groups = [[] for _ in RATES]
    for name, parameter in own:
        groups[KINDS[name][2]].append(parameter)
    return groups


def gradients(generator, step):
    """Of every model and parameter; some rows have none, and in some steps a whole table."""
    found = []
    for i in range(3):
        own = {}
        for name, (shapes, order, _) in KINDS.items():
            values = generator.normal(size=shapes[i])
            if order is not None:
                idle = generator.random(shapes[i][order[0]]) < (1.0 if (step + i) % 7 == 3 else 0.5)
                values[(slice(None),) * order[0] + (idle,)] = 0.0
                if order[0] > 0:  # a part of a row, that of the first component
                    values[0, generator.random(shapes[i][1]) < 0.5] = 0.0
            own[name] = torch.from_numpy(values)
        found.append(own)
    return found


def joined(every):
    return {name: JoinedTable(name, [dict(own)[name] for own in every], CPU) for name in KINDS}


def test_the_values_of_a_model_come_back_in_its_shape():
    every = parameters()
    for name, table in joined(every).items():
        assert table.dense == (name == "factor")
        assert (table.together is None) == (name not in ("logits", "table"))
        for i, own in enumerate(every):
            assert torch.equal(table.of_model(i, table.values.detach()), dict(own)[name])
            assert (table.model[table.first[i] : table.first[i + 1]] == i).all()
        fresh = torch.zeros_like(table.values)
        table.set_model(1, fresh, torch.ones(KINDS[name][0][1]))
        assert fresh.sum() == dict(every[1])[name].numel()
        assert table.of_model(1, fresh).min() == 1


@pytest.mark.parametrize("n_before", [(0, 0, 0), (3, 0, 40)])
def test_all_models_move_as_each_alone(n_before):
    """At different steps and with different factors, after rows have rested, for 300 steps; and their states."""
    ours, theirs = parameters(), parameters()
    generator = np.random.default_rng(2)
    alone = [Adam(by_group(own), RATES, in_torch=True) for own in theirs]
    for step in range(max(n_before)):
        for optimizer, own, given, n in zip(alone, theirs, gradients(generator, step), n_before, strict=True):
            if step < n:
                _move(optimizer, own, given, 1.0)
    together = [Adam(by_group(own), RATES) for own in ours]
    with torch.no_grad():
        for own, other, optimizer, source in zip(ours, theirs, together, alone, strict=True):
            for (_, a), (_, b) in zip(own, other, strict=True):
                a.copy_(b)
            optimizer.load_state_dict(source.state_dict())
    tables = joined(ours)
    adam = JoinedAdam(tables, together, ours, [group for _, _, group in KINDS.values()])
    for step in range(300):
        factors = [1.0, 0.5 ** (step // 100), 0.3]
        given = gradients(generator, step)
        for optimizer, own, of_model, factor in zip(alone, theirs, given, factors, strict=True):
            _move(optimizer, own, of_model, factor)
        adam.zero_grad()
        for name, table in tables.items():
            table.values.grad = torch.zeros_like(table.values)
            for i in range(3):
                table.set_model(i, table.values.grad, given[i][name])
        adam.step(factors)
        if step == 150:
            adam.give_back()  # which changes nothing
    adam.give_back()
    for own, other, optimizer, reference in zip(ours, theirs, together, alone, strict=True):
        for (name, a), (_, b) in zip(own, other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12, msg=name)
        a, b = optimizer.state_dict(), reference.state_dict()
        assert a["step"] == b["step"]
        for x, y in zip(a["tables"], b["tables"], strict=True):
            assert torch.equal(x["rows"], y["rows"])
            assert torch.equal(x["last"], y["last"])
            for name in ("mean", "square"):
                torch.testing.assert_close(x[name], y[name], rtol=1e-12, atol=1e-14)
        for name in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(
                a["dense"]["state"][0][name], b["dense"]["state"][0][name], rtol=1e-12, atol=1e-14
            )


def _move(optimizer, own, given, factor):
    optimizer.set_factor(factor)
    optimizer.zero_grad()
    for name, parameter in own:
        parameter.grad = given[name].clone()
    optimizer.step()


def test_single_precision():
    every = parameters(torch.float32)
    rows = [dict(own)["rows"] for own in every]
    optimizers = [Adam([[table]], [0.01]) for table in rows]
    tables = {"rows": JoinedTable("rows", rows, CPU)}
    adam = JoinedAdam(tables, optimizers, [[("rows", table)] for table in rows], [0])
    before = rows[1].detach().clone()
    tables["rows"].values.grad = torch.ones_like(tables["rows"].values)
    adam.step([1.0, 1.0, 1.0])
    adam.give_back()
    assert rows[1].dtype == torch.float32
    torch.testing.assert_close(rows[1].detach(), before - 0.01)
    assert optimizers[1].state_dict()["tables"][0]["mean"].dtype == torch.float32


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (RowTable(torch.zeros(4, 5), (0, 1)), r"widths of rows, not \[3\] and \[5\]"),
        (nn.Parameter(torch.zeros(4, 3)), "widths of rows"),
        (RowTable(torch.zeros(4, 3, dtype=torch.float64), (0, 1)), "widths of rows"),
    ],
)
def test_parameters_that_do_not_go_together(other, found):
    with pytest.raises(ConfigError, match=found):
        JoinedTable("rows", [RowTable(torch.zeros(2, 3), (0, 1)), other], CPU)
