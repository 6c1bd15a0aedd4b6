"""Products of a small matrix with many columns, written for vector registers.

The compiler does not vectorise a loop over columns with the sum over states inside by itself. Here a few rows of the
result for some columns stay in registers while the states pass. With 20 states four rows reach 82 thousand million
operations a second on AVX-512 and 49 on AVX2, where tiles of four by four states with loops over columns outside reach
13 to 16. Additions have a time of several cycles, so registers full of sums must be many: 32 columns on AVX-512, which
has 32 registers, and 8 on others, which have 16.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

ROWS = 4  # of the result at a time
_FEW, _MANY = 8, 32  # columns of the result at a time
_INT, _REAL = ir.IntType(64), ir.DoubleType()


def _integer(value: int) -> ir.Constant:
    return ir.Constant(_INT, value)


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    """A vector of one value."""
    vector = ir.VectorType(_REAL, lanes)
    nothing = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def _many_or_few(context: Any) -> int:
    """How many columns of the result are made at a time, on the processor that code is made for."""
    return _MANY if "+avx512f" in context.codegen()._tm_features else _FEW


def _contiguous(*arrays: Any) -> None:
    for array in arrays:
        if not isinstance(array, types.Array) or array.layout != "C" or array.dtype != types.float64:
            raise TypingError(f"contiguous arrays of float64, not {array}")


def _pass_states(
    builder: Any, lanes: int, states: Any, pitch: Any, begin: Callable[..., Any], step: Callable[..., Any],
    end: Callable[..., None],
) -> None:  # fmt: skip
    """Columns, `lanes` at a time, and all states for each, with sums that stay in registers.

    Arguments:
        builder: of the code.
        lanes: columns at a time.
        states: their number.
        pitch: number of columns.
        begin: the sums at the beginning, given the first column.
        step: the sums after a state, given the state, the number of its first entry and the sums before.
        end: what happens with the sums, given the first column.
    """
    with cgutils.for_range_slice(builder, _integer(0), pitch, _integer(lanes)) as (column, _):
        begun = begin(column)
        before = builder.block
        loop, after = builder.append_basic_block("states"), builder.append_basic_block("summed")
        builder.branch(loop)
        builder.position_at_end(loop)
        state = builder.phi(_INT)
        sums = [builder.phi(value.type) for value in begun]
        following = builder.add(state, _integer(1))
        results = step(state, builder.add(builder.mul(state, pitch), column), sums)
        for variable, first, later in zip([state, *sums], [_integer(0), *begun], [following, *results], strict=True):
            variable.add_incoming(first, before)
            variable.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following, states), loop, after)
        builder.position_at_end(after)
        end(column, results)


class _Columns:
    """Some numbers at a time of arrays of float64."""

    def __init__(self, context: Any, builder: Any, lanes: int) -> None:
        self.context, self.builder, self.lanes = context, builder, lanes
        self.type = ir.VectorType(_REAL, lanes)
        self.zero = ir.Constant(self.type, [0.0] * lanes)

    def data(self, array_type: Any, array: Any) -> Any:
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def _place(self, data: Any, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [at]), self.type.as_pointer())

    def load(self, data: Any, at: Any) -> Any:
        return self.builder.load(self._place(data, at), align=8)

    def store(self, value: Any, data: Any, at: Any) -> None:
        self.builder.store(value, self._place(data, at), align=8)

    def one(self, data: Any, at: Any) -> Any:
        """A number, in all columns."""
        return _spread(self.builder, self.builder.load(self.builder.gep(data, [at])), self.lanes)

    def times(self, a: Any, b: Any) -> Any:
        return self.builder.fmul(a, b, flags=("contract",))

    def plus(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=("contract",))


def _rows_of_product(n_rows: int, how: str, n_columns: int | None = None) -> Callable[..., None]:
    """A product of some rows: `how` is "set", `out` = M x, "times", `out` *= M x, or "add", `out` += M x."""

    @intrinsic
    def rows(_, matrix, _at, _down, _right, _states, vector, out, _first, _pitch):  # noqa: ANN001, ANN202
        _contiguous(matrix, vector, out)
        signature = types.void(
            matrix, types.intp, types.intp, types.intp, types.intp, vector, out, types.intp, types.intp
        )

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            columns = _Columns(context, builder, n_columns or _many_or_few(context))
            m, x, y = (columns.data(signature.args[i], args[i]) for i in (0, 5, 6))
            _, at, down, right, states, _, _, first, pitch = args

            def target(i: int, column: Any) -> Any:
                return builder.add(builder.mul(builder.add(first, _integer(i)), pitch), column)

            def begin(column: Any) -> list[Any]:
                return [columns.load(y, target(i, column)) if how == "add" else columns.zero for i in range(n_rows)]

            def step(state: Any, place: Any, sums: list[Any]) -> list[Any]:
                values = columns.load(x, place)
                entry = builder.add(at, builder.mul(state, right))
                factors = [columns.one(m, builder.add(entry, builder.mul(down, _integer(i)))) for i in range(n_rows)]
                return [columns.plus(columns.times(f, values), total) for f, total in zip(factors, sums, strict=True)]

            def end(column: Any, sums: list[Any]) -> None:
                for i, total in enumerate(sums):
                    place = target(i, column)
                    columns.store(columns.times(total, columns.load(y, place)) if how == "times" else total, y, place)

            _pass_states(builder, columns.lanes, states, pitch, begin, step, end)
            return context.get_dummy_value()

        return signature, generate

    return rows


@intrinsic
def _product_and_totals(_, a, b, _states, out, totals, _first, _pitch):  # noqa: ANN001, ANN202
    _contiguous(a, b, out, totals)
    signature = types.void(a, b, types.intp, out, totals, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        columns = _Columns(context, builder, _MANY)
        x, y, z, sums_data = (columns.data(signature.args[i], args[i]) for i in (0, 1, 3, 4))
        _, _, states, _, _, first, pitch = args
        row = builder.mul(first, pitch)

        def begin(column: Any) -> list[Any]:
            return [columns.load(sums_data, builder.add(row, column))]

        def step(_: Any, place: Any, sums: list[Any]) -> list[Any]:
            value = columns.times(columns.load(x, place), columns.load(y, place))
            columns.store(value, z, place)
            return [columns.plus(sums[0], value)]

        def end(column: Any, sums: list[Any]) -> None:
            columns.store(sums[0], sums_data, builder.add(row, column))

        _pass_states(builder, columns.lanes, states, pitch, begin, step, end)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _add_weighted_triple(_, a, b, c, _states, _weight, totals, _first, _pitch):  # noqa: ANN001, ANN202
    _contiguous(a, b, c, totals)
    signature = types.void(a, b, c, types.intp, types.float64, totals, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        columns = _Columns(context, builder, _MANY)
        x, y, z, sums_data = (columns.data(signature.args[i], args[i]) for i in (0, 1, 2, 5))
        _, _, _, states, weight, _, first, pitch = args
        row, factor = builder.mul(first, pitch), _spread(builder, weight, columns.lanes)

        def begin(_: Any) -> list[Any]:
            return [columns.zero]

        def step(_: Any, place: Any, sums: list[Any]) -> list[Any]:
            value = columns.times(columns.load(x, place), columns.load(y, place))
            return [columns.plus(columns.times(value, columns.load(z, place)), sums[0])]

        def end(column: Any, sums: list[Any]) -> None:
            place = builder.add(row, column)
            columns.store(
                columns.plus(columns.times(factor, sums[0]), columns.load(sums_data, place)), sums_data, place
            )

        _pass_states(builder, columns.lanes, states, pitch, begin, step, end)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _multiply_states(_, rows, _states, factors, _first, _pitch):  # noqa: ANN001, ANN202
    _contiguous(rows, factors)
    signature = types.void(rows, types.intp, factors, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        columns = _Columns(context, builder, _MANY)
        x, f = columns.data(signature.args[0], args[0]), columns.data(signature.args[2], args[2])
        _, states, _, first, pitch = args
        row = builder.mul(first, pitch)

        def begin(column: Any) -> list[Any]:
            return [columns.load(f, builder.add(row, column))]

        def step(_: Any, place: Any, sums: list[Any]) -> list[Any]:
            columns.store(columns.times(columns.load(x, place), sums[0]), x, place)
            return sums

        _pass_states(builder, columns.lanes, states, pitch, begin, step, lambda *_: None)
        return context.get_dummy_value()

    return signature, generate


# Rows of a product. Arguments: matrix, number of its first entry, distances of entries below and beside each other,
# states, columns (states, pitch), result (rows, pitch), its first row, pitch: number of columns, a multiple of 32, or
# of 4 for a small one.
four_rows_of_product: Any = _rows_of_product(ROWS, "set")
four_rows_times_product: Any = _rows_of_product(ROWS, "times")
four_rows_of_small_product: Any = _rows_of_product(ROWS, "set", ROWS)
add_row_of_product: Any = _rows_of_product(1, "add", _MANY)
add_three_rows_of_product: Any = _rows_of_product(3, "add")

# `out` = a b, and its sum over states is added to a row of `totals`. Arguments: a, b, states, out, totals, row, pitch.
product_and_totals: Any = _product_and_totals
# The sum over states of weight a b c is added to a row of `totals`. Arguments: a, b, c, states, weight, totals, row,
# pitch.
add_weighted_triple: Any = _add_weighted_triple
# An array (states, pitch) is multiplied by a row of factors. Arguments: array, states, factors, row, pitch.
multiply_states: Any = _multiply_states
