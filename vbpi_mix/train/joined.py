"""Parameters of several models one after another in one tensor, so that one operation serves all of them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError
from vbpi_mix.row_table import RowTable


class JoinedTable:
    """One parameter of G models, such as the logits of each, along one axis of rows.

    The axes of a model's parameter up to that of its rows (`RowTable.order`) become the axis of this table. So a row
    here is a part of a model's row if that has further axes before it, such as that of the components; `together`
    numbers the models' own rows.

    Arguments:
        name: name of the parameter, for messages.
        parameters: that of each model; equal but for the sizes of the axes that are joined.
        device: where the table is.

    Attributes:
        values: (N, ...) the table, a leaf for autograd.
        first: the first row of each model.
        model: (N,) int64 model of each row.
        together: (N,) int64 number of the own row that each row is part of; None where it is the whole of it.
        dense: whether the models' parameters are no tables, so that every step updates all of them.

    Raises:
        ConfigError: parameters of different kinds, types or widths.
    """

    def __init__(self, name: str, parameters: Sequence[nn.Parameter], device: torch.device) -> None:
        first = parameters[0]
        self.dense = not isinstance(first, RowTable)
        self._axis = first.order[0] if isinstance(first, RowTable) else 0
        for other in parameters:
            if (type(other), other.dtype, self._width(other)) != (type(first), first.dtype, self._width(first)):
                raise ConfigError(
                    f"models trained together have equal widths of {name}, not {list(self._width(first))} and "
                    f"{list(self._width(other))}: give them the same flow, features and model of substitution"
                )
        self._shapes = [tuple(p.shape[: self._axis + 1]) for p in parameters]
        joined = torch.cat([p.detach().reshape(-1, *self._width(p)) for p in parameters]).to(device)
        self.values = RowTable(joined, range(joined.ndim))
        n_rows = torch.tensor([torch.Size(shape).numel() for shape in self._shapes])
        self.first = [0, *n_rows.cumsum(0).tolist()]
        self.model = torch.arange(len(parameters)).repeat_interleave(n_rows).to(device)
        self.together: Tensor | None = None
        if self._axis > 0:
            own, n = [], 0
            for shape in self._shapes:
                own.append(torch.arange(n, n + shape[-1]).expand(shape).reshape(-1))
                n += shape[-1]
            self.together = torch.cat(own).to(device)

    @property
    def n_own_rows(self) -> int:
        """Number of the models' own rows."""
        return sum(shape[-1] for shape in self._shapes)

    def of_model(self, i: int, joined: Tensor) -> Tensor:
        """What belongs to model `i` in a tensor (N, ...), in the shape of its parameter."""
        return joined[self.first[i] : self.first[i + 1]].reshape(*self._shapes[i], *joined.shape[1:])

    def set_model(self, i: int, joined: Tensor, values: Tensor) -> None:
        """Put values in the shape of model `i`'s parameter into a tensor (N, ...)."""
        here = joined[self.first[i] : self.first[i + 1]]
        here.copy_(values.reshape(here.shape))

    def _width(self, parameter: nn.Parameter) -> torch.Size:
        return parameter.shape[self._axis + 1 :]
