"""Adam on the joined tables of several models, each at its own step and with its own learning rates."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.row_table import RowTable
from vbpi_mix.train.adam import BETAS, EPSILON, Adam
from vbpi_mix.train.adam_kernels import N_TAILS, idle_displacements
from vbpi_mix.train.adam_torch import TableInTorch
from vbpi_mix.train.joined import JoinedTable

Parameters = Sequence[tuple[str, torch.nn.Parameter]]


class JoinedAdam:
    """One update of all models: that which the `Adam` of each makes of its own gradients.

    Arguments:
        tables: the joined tables by parameter name.
        optimizers: the optimiser of each model, which says where it is; `give_back` moves it on.
        parameters: names and parameters of each model in the order of its optimiser.
        groups: the number of each parameter's group of learning rates.
    """

    def __init__(
        self,
        tables: Mapping[str, JoinedTable],
        optimizers: Sequence[Adam],
        parameters: Sequence[Parameters],
        groups: Sequence[int],
    ) -> None:
        self._optimizers, self._parameters, self._groups = list(optimizers), list(parameters), list(groups)
        self._names = [name for name, _ in parameters[0]]
        self._tables = [tables[name] for name in self._names]
        self._moments = [TableInTorch(table.values, BETAS, EPSILON, table) for table in self._tables]
        self._steps = np.zeros(len(optimizers), dtype=np.int64)
        for i, optimizer in enumerate(optimizers):
            self._take(i, optimizer.state_dict())

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for moments in self._moments:
            moments.clear()

    def step(self, factors: Sequence[float]) -> None:
        """One update from the gradients since `zero_grad`; `factors` multiply all rates of each model."""
        self._steps += 1
        device = self._moments[0].last.device
        tails = np.empty((len(self._steps), N_TAILS))
        distinct, which = np.unique(self._steps, return_inverse=True)
        for step, row in zip(distinct, tails, strict=False):
            idle_displacements(int(step), *BETAS, row)
        steps, every_tail = torch.from_numpy(self._steps).to(device), torch.from_numpy(tails[which]).to(device)
        rates = np.array([optimizer.rates for optimizer in self._optimizers]) * np.asarray(factors)[:, None]
        by_group = torch.from_numpy(np.ascontiguousarray(rates.T)).to(device)
        for moments, group in zip(self._moments, self._groups, strict=True):
            moments.update_models(steps, by_group[group], every_tail)

    @torch.no_grad()
    def give_back(self) -> None:
        """Bring parameters and optimisers of the models to where the joined ones are."""
        columns = [
            {"values": table.values.detach(), "mean": moments.mean, "square": moments.square, "last": moments.last}
            for table, moments in zip(self._tables, self._moments, strict=True)
        ]
        on_cpu = [{name: tensor.cpu() for name, tensor in column.items()} for column in columns]
        for i, (optimizer, parameters) in enumerate(zip(self._optimizers, self._parameters, strict=True)):
            state = optimizer.state_dict()
            of_tables, of_dense = [], {}
            for (_, parameter), table, column in zip(parameters, self._tables, on_cpu, strict=True):
                own = {name: table.of_model(i, tensor) for name, tensor in column.items() if name in ("values", "last")}
                for name in ("mean", "square"):
                    own[name] = table.of_model(i, column[name].view(table.values.shape))
                parameter.copy_(own["values"])
                if isinstance(parameter, RowTable):
                    of_tables.append(_state_of_table(parameter, own))
                else:
                    step = torch.tensor(float(own["last"].flatten()[0]))
                    of_dense[len(of_dense)] = {"step": step, "exp_avg": own["mean"], "exp_avg_sq": own["square"]}
            if state["dense"] is not None:
                state["dense"]["state"] = of_dense
            optimizer.load_state_dict({**state, "step": int(self._steps[i]), "tables": of_tables})

    def _take(self, i: int, state: Mapping[str, Any]) -> None:
        """Begin model `i` where its optimiser is."""
        self._steps[i] = state["step"]
        of_tables = iter(state["tables"])
        of_dense = state["dense"]["state"] if state["dense"] is not None else {}
        n_dense = 0
        for (_, parameter), table, moments in zip(self._parameters[i], self._tables, self._moments, strict=True):
            shape = table.values.shape
            if isinstance(parameter, RowTable):
                own = _columns_of_table(parameter, next(of_tables))
            else:
                saved = of_dense.get(n_dense)
                n_dense += 1
                if saved is None:
                    continue
                own = {"mean": saved["exp_avg"], "square": saved["exp_avg_sq"]}
                own["last"] = torch.full(parameter.shape[:1], int(saved["step"]))
            table.set_model(i, moments.mean.view(shape), own["mean"])
            table.set_model(i, moments.square.view(shape), own["square"])
            table.set_model(i, moments.last, own["last"])


def _state_of_table(parameter: RowTable, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As `TableInTorch.state`, from moments in the shape of the parameter and clocks of all parts of its rows."""
    axis = parameter.order[0]
    last = own["last"].movedim(axis, 0).reshape(parameter.shape[axis], -1)[:, 0]  # the same for all parts of a row
    rows = last.nonzero()[:, 0]
    moments = {name: own[name].permute(parameter.order).reshape(len(last), -1) for name in ("mean", "square")}
    return {"rows": rows, "last": last[rows], **{name: values[rows] for name, values in moments.items()}}


def _columns_of_table(parameter: RowTable, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The reverse of `_state_of_table`."""
    order = parameter.order
    n_rows = parameter.shape[order[0]]
    in_memory = [parameter.shape[i] for i in order]
    inverse = [order.index(i) for i in range(len(order))]
    last = torch.zeros(n_rows, dtype=torch.int64)
    last[saved["rows"]] = saved["last"]
    found = {"last": last.expand(parameter.shape[: order[0] + 1])}
    for name in ("mean", "square"):
        rows = torch.zeros(n_rows, *saved[name].shape[1:], dtype=saved[name].dtype)
        rows[saved["rows"]] = saved[name]
        found[name] = rows.reshape(in_memory).permute(inverse)
    return found
