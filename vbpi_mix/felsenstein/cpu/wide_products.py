"""Products of a small matrix with many columns, written for vector registers.

The compiler does not vectorise a loop over columns with the sum over states inside by itself. Here four rows of the
result for `_LANES` columns stay in registers while the states pass: 49 thousand million operations a second with 20
states and AVX2, where tiles of four by four states with loops over columns outside reach 13 to 16.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

ROWS = 4  # of the result at a time
_LANES = 8
_INT, _REAL = ir.IntType(64), ir.DoubleType()


def _integer(value: int) -> ir.Constant:
    return ir.Constant(_INT, value)


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    """A vector of one value."""
    vector = ir.VectorType(_REAL, lanes)
    nothing = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def _four_rows(lanes: int, times: bool) -> Callable[..., None]:
    """A product of four rows: `out` = M x or, with `times`, `out` *= M x."""

    @intrinsic
    def four_rows(_, matrix, _at, _down, _right, _states, vector, out, _first, _pitch):  # noqa: ANN001, ANN202
        for array in (matrix, vector, out):
            if not isinstance(array, types.Array) or array.layout != "C" or array.dtype != types.float64:
                raise TypingError(f"contiguous arrays of float64, not {array}")
        signature = types.void(
            matrix, types.intp, types.intp, types.intp, types.intp, vector, out, types.intp, types.intp
        )

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            m, x, y = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 5, 6))
            _, at, down, right, states, _, _, first, pitch = args
            vectors = ir.VectorType(_REAL, lanes)

            def place(array: Any, index: Any) -> Any:
                return builder.bitcast(builder.gep(array, [index]), vectors.as_pointer())

            with cgutils.for_range_slice(builder, _integer(0), pitch, _integer(lanes)) as (column, _):
                before = builder.block
                loop = builder.append_basic_block("states")
                after = builder.append_basic_block("stored")
                builder.branch(loop)
                builder.position_at_end(loop)
                state = builder.phi(_INT)
                state.add_incoming(_integer(0), before)
                sums = [builder.phi(vectors) for _ in range(ROWS)]
                values = builder.load(place(x, builder.add(builder.mul(state, pitch), column)), align=8)
                entry = builder.add(at, builder.mul(state, right))
                for i, total in enumerate(sums):
                    total.add_incoming(ir.Constant(vectors, [0.0] * lanes), before)
                    factor = builder.load(builder.gep(m, [builder.add(entry, builder.mul(down, _integer(i)))]))
                    term = builder.fmul(_spread(builder, factor, lanes), values, flags=("contract",))
                    total.add_incoming(builder.fadd(term, total, flags=("contract",)), loop)
                following = builder.add(state, _integer(1))
                state.add_incoming(following, loop)
                builder.cbranch(builder.icmp_signed("<", following, states), loop, after)
                builder.position_at_end(after)
                for i, total in enumerate(sums):
                    row = builder.mul(builder.add(first, _integer(i)), pitch)
                    target = place(y, builder.add(row, column))
                    result = total.incomings[1][0]
                    if times:
                        result = builder.fmul(result, builder.load(target, align=8))
                    builder.store(result, target, align=8)
            return context.get_dummy_value()

        return signature, generate

    return four_rows


# Four rows of a product. Arguments: matrix, number of its first entry, distances of entries below and beside each
# other, states, columns (states, pitch), result (rows, pitch), its first row, pitch: columns, a multiple of the lanes.
four_rows_of_product: Any = _four_rows(_LANES, False)
four_rows_times_product: Any = _four_rows(_LANES, True)
four_rows_of_small_product: Any = _four_rows(ROWS, False)
