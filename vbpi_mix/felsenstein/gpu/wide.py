"""The kernels of `gpu.general` for any number of states: derivatives in all entries of the matrices, or in times.

Programs, workspace, scaling and mixing are as described there. The states of a program's patterns stand in a tile of
WIDTH rows, the number of states filled up to a power of two; the rows filled up are zero in tips and matrices, and so
everywhere, and have no place in memory. Products with matrices are those of two tiles: of tensor cores where a GPU has
them for the type, and written out below 16 rows, which are too few for them.

Derivatives in times are those of `cpu.wide_gradient`: with the outside message O at the upper end of an edge and the
message m, that of exp(t G) is O . (G m) times the share of the category, one number in place of a matrix.
"""

# Triton types arguments when it compiles, and its constants are written in capitals.
# ruff: noqa: ANN001, ANN201, ANN202, N803
# pyright: reportMissingImports=false, reportGeneralTypeIssues=false

import triton
import triton.language as tl

from vbpi_mix.felsenstein.gpu.general import mix_categories
from vbpi_mix.felsenstein.gpu.jc69 import power_of_two


@triton.jit
def _load_tile(pointer, N_STATES: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """(WIDTH, BLOCK) of (N_STATES, BLOCK) at a pointer."""
    states = tl.arange(0, WIDTH)[:, None]
    return tl.load(pointer + states * BLOCK + tl.arange(0, BLOCK)[None, :], mask=states < N_STATES, other=0.0)


@triton.jit
def _store_tile(pointer, tile, N_STATES: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    states = tl.arange(0, WIDTH)[:, None]
    tl.store(pointer + states * BLOCK + tl.arange(0, BLOCK)[None, :], tile, mask=states < N_STATES)


@triton.jit
def _load_matrix(pointer, N_STATES: tl.constexpr, WIDTH: tl.constexpr):
    rows, columns = tl.arange(0, WIDTH)[:, None], tl.arange(0, WIDTH)[None, :]
    return tl.load(pointer + rows * N_STATES + columns, mask=(rows < N_STATES) & (columns < N_STATES), other=0.0)


@triton.jit
def _store_matrix(pointer, matrix, N_STATES: tl.constexpr, WIDTH: tl.constexpr):
    rows, columns = tl.arange(0, WIDTH)[:, None], tl.arange(0, WIDTH)[None, :]
    tl.store(pointer + rows * N_STATES + columns, matrix, mask=(rows < N_STATES) & (columns < N_STATES))


@triton.jit
def _product(matrix, tile, WIDTH: tl.constexpr):
    """Matrix (WIDTH, WIDTH) times tile (WIDTH, BLOCK)."""
    if WIDTH >= 16:
        result = tl.dot(matrix, tile, input_precision="ieee")
    else:
        result = tl.sum(matrix[:, :, None] * tile[None, :, :], axis=1)
    return result


@triton.jit
def _transposed_product(matrix, tile, WIDTH: tl.constexpr):
    if WIDTH >= 16:
        result = tl.dot(tl.trans(matrix), tile, input_precision="ieee")
    else:
        result = tl.sum(matrix[:, :, None] * tile[:, None, :], axis=0)
    return result


@triton.jit
def _outer(first, second, WIDTH: tl.constexpr):
    """(WIDTH, WIDTH) sums over patterns of the products of each state of one tile with each of another."""
    if WIDTH >= 16:
        result = tl.dot(first, tl.trans(second), input_precision="ieee")
    else:
        result = tl.sum(first[:, None, :] * second[None, :, :], axis=2)
    return result


@triton.jit
def _total(tile):
    return tl.sum(tl.sum(tile, axis=0), axis=0)


@triton.jit
def _indicators(sets, like, WIDTH: tl.constexpr):
    """(WIDTH, BLOCK) indicators of the states in the sets of one tip, in the type of `like`."""
    bits = tl.load(sets).to(tl.int64)[None, :] >> tl.arange(0, WIDTH).to(tl.int64)[:, None]
    return (bits & 1).to(like.dtype)


@triton.jit
def _message(
    node, n, sets, n_columns, slots, matrices, n_categories,
    N_STATES: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Message on the edge above a node; `matrices` points at edge 0 of the program's tree and category."""
    if node < n:
        matrix = _load_matrix(matrices + node * n_categories * (N_STATES * N_STATES), N_STATES, WIDTH)
        message = _product(matrix, _indicators(sets + node * n_columns, matrix, WIDTH), WIDTH)
    else:
        message = _load_tile(slots + (node - n) * (N_STATES * BLOCK), N_STATES, WIDTH, BLOCK)
    return message


@triton.jit
def wide_up(
    children, states, weights, matrices, frequencies, category_weights, work, mixing, logs, exponents,
    n, n_blocks, n_categories,
    N_STATES: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr, FLOAT64: tl.constexpr,
):  # fmt: skip
    """As `general_up`, for n_s states.

    Arguments:
        children: (T, N-2, 2) int32.
        states: (N, B BLOCK) integers.
        weights: (B BLOCK,).
        matrices: (T, E, C, n_s, n_s).
        frequencies: (T, n_s).
        category_weights: (T, C).
        work: (T, B, C, N-2, n_s, BLOCK) output.
        mixing: (T, B, C, 3, BLOCK) output.
        logs: (T, B) float64 output.
        exponents: (T, B) float64 output.
        n: N.
        n_blocks: B.
        n_categories: C.
        N_STATES: n_s.
        WIDTH: n_s filled up to a power of two.
        BLOCK: patterns per block.
        FLOAT64: whether floating-point arrays not said to be float64 are; float32 otherwise.
    """
    program = tl.program_id(0).to(tl.int64)
    tree = program // n_blocks
    lanes = tl.arange(0, BLOCK)
    columns = (program % n_blocks) * BLOCK + lanes
    children += tree * (n - 2) * 2
    n_columns = n_blocks * BLOCK
    sets = states + columns
    matrices += tree * (2 * n - 3) * n_categories * (N_STATES * N_STATES)
    rows = tl.arange(0, WIDTH)
    of_root = tl.load(frequencies + tree * N_STATES + rows, mask=rows < N_STATES, other=0.0)
    category_weights += tree * n_categories
    mixing += program * n_categories * (3 * BLOCK) + lanes
    weight = tl.load(weights + columns)
    base = tl.zeros((BLOCK,), dtype=tl.int64) - (1 << 40)
    for c in range(n_categories):
        slots = work + (program * n_categories + c) * (n - 2) * (N_STATES * BLOCK)
        of_c = matrices + c * (N_STATES * N_STATES)
        k = tl.zeros((BLOCK,), dtype=tl.int64)
        for i in range(n - 2):
            left = tl.load(children + 2 * i)
            right = tl.load(children + 2 * i + 1)
            v = _message(left, n, sets, n_columns, slots, of_c, n_categories, N_STATES, WIDTH, BLOCK)
            v *= _message(right, n, sets, n_columns, slots, of_c, n_categories, N_STATES, WIDTH, BLOCK)
            factor, step = power_of_two(tl.max(v, axis=0), FLOAT64)
            k += step
            v *= factor[None, :]
            if i < n - 3:
                edge = (n + i) * n_categories * (N_STATES * N_STATES)
                v = _product(_load_matrix(of_c + edge, N_STATES, WIDTH), v, WIDTH)
            _store_tile(slots + i * (N_STATES * BLOCK), v, N_STATES, WIDTH, BLOCK)
            tl.debug_barrier()
        partials = _load_tile(slots + (n - 3) * (N_STATES * BLOCK), N_STATES, WIDTH, BLOCK)
        tip = _message(0, n, sets, n_columns, slots, of_c, n_categories, N_STATES, WIDTH, BLOCK)
        likelihood = tl.sum(of_root[:, None] * partials * tip, axis=0)
        tl.store(mixing + 3 * BLOCK * c, likelihood)
        tl.store(mixing + 3 * BLOCK * c + BLOCK, k.to(likelihood.dtype))
        _, step = power_of_two(likelihood, FLOAT64)
        base = tl.where(tl.load(category_weights + c) * likelihood > 0, tl.maximum(base, k + step), base)
    tl.debug_barrier()
    mix_categories(
        mixing, category_weights, weight, base, logs + program, exponents + program, n_categories, BLOCK, FLOAT64
    )


@triton.jit
def _store_edge(
    out, outside, message, generator, sets, N_STATES: tl.constexpr, WIDTH: tl.constexpr, BY_TIMES: tl.constexpr
):  # fmt: skip
    """Derivatives of the edge above a tip; with BY_TIMES of any edge, for which `sets` is not read."""
    if BY_TIMES:
        change = _product(_load_matrix(generator, N_STATES, WIDTH), message, WIDTH)
        tl.store(out, _total(outside * change))
    else:
        _store_matrix(out, _outer(outside, _indicators(sets, outside, WIDTH), WIDTH), N_STATES, WIDTH)


@triton.jit
def _hand_down(
    child, n, outside, message, generator, sets, n_columns, slots, of_edges, n_categories,
    N_STATES: tl.constexpr, WIDTH: tl.constexpr, BY_TIMES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Outside message of an edge: into the slot of an internal node below; derivatives of the edge that are due."""
    out = of_edges + child * n_categories * (1 if BY_TIMES else N_STATES * N_STATES)
    if child >= n:
        if BY_TIMES:
            _store_edge(out, outside, message, generator, sets, N_STATES, WIDTH, BY_TIMES)
        _store_tile(slots + (child - n) * (N_STATES * BLOCK), outside, N_STATES, WIDTH, BLOCK)
    else:
        _store_edge(out, outside, message, generator, sets + child * n_columns, N_STATES, WIDTH, BY_TIMES)


@triton.jit
def wide_down(
    children, states, generators, matrices, frequencies, category_weights, work, mixing,
    of_edges, of_frequencies, of_weights, n, n_blocks, n_categories,
    N_STATES: tl.constexpr, WIDTH: tl.constexpr, BY_TIMES: tl.constexpr, BLOCK: tl.constexpr, FLOAT64: tl.constexpr,
):  # fmt: skip
    """As `general_down`, for n_s states.

    Arguments:
        children: (T, N-2, 2) int32.
        states: (N, B BLOCK) integers.
        generators: (T, C, n_s, n_s), used with BY_TIMES only.
        matrices: (T, E, C, n_s, n_s).
        frequencies: (T, n_s).
        category_weights: (T, C).
        work: (T, B, C, N-2, n_s, BLOCK) as `wide_up` left it; overwritten.
        mixing: (T, B, C, 3, BLOCK) as `wide_up` left it.
        of_edges: (T, B, E, C, n_s, n_s) output, derivatives in the matrices; with BY_TIMES (T, B, E, C), in t of
            matrices exp(t generator).
        of_frequencies: (T, B, C, n_s) output, the part of each category.
        of_weights: (T, B, C) output.
        n: N.
        n_blocks: B.
        n_categories: C.
        N_STATES: n_s.
        WIDTH: n_s filled up to a power of two.
        BY_TIMES: what derivatives of edges are in.
        BLOCK: patterns per block.
        FLOAT64: whether floating-point arrays are float64; float32 otherwise.
    """
    program = tl.program_id(0).to(tl.int64)
    tree = program // n_blocks
    lanes = tl.arange(0, BLOCK)
    n_columns = n_blocks * BLOCK
    sets = states + (program % n_blocks) * BLOCK + lanes
    children += tree * (n - 2) * 2
    matrices += tree * (2 * n - 3) * n_categories * (N_STATES * N_STATES)
    generators += tree * n_categories * (N_STATES * N_STATES)
    rows = tl.arange(0, WIDTH)
    of_root = tl.load(frequencies + tree * N_STATES + rows, mask=rows < N_STATES, other=0.0)
    category_weights += tree * n_categories
    size = 1 if BY_TIMES else N_STATES * N_STATES
    of_edges += program * (2 * n - 3) * n_categories * size
    for c in range(n_categories):
        slots = work + (program * n_categories + c) * (n - 2) * (N_STATES * BLOCK)
        of_c = matrices + c * (N_STATES * N_STATES)
        generator = generators + c * (N_STATES * N_STATES)
        out = of_edges + c * size
        mixed = mixing + (program * n_categories + c) * (3 * BLOCK) + lanes
        share = tl.load(mixed + 2 * BLOCK)
        tl.store(of_weights + program * n_categories + c, tl.sum(share * tl.load(mixed), axis=0))
        share *= tl.load(category_weights + c)
        top = slots + (n - 3) * (N_STATES * BLOCK)
        partials = _load_tile(top, N_STATES, WIDTH, BLOCK)
        tip = _message(0, n, sets, n_columns, slots, of_c, n_categories, N_STATES, WIDTH, BLOCK)
        sums = tl.sum(share[None, :] * partials * tip, axis=1)
        tl.store(of_frequencies + (program * n_categories + c) * N_STATES + rows, sums, mask=rows < N_STATES)
        scaled = of_root[:, None] * share[None, :]
        _store_edge(out, scaled * partials, tip, generator, sets, N_STATES, WIDTH, BY_TIMES)
        tl.debug_barrier()  # all threads have read what some overwrite
        _store_tile(top, scaled * tip, N_STATES, WIDTH, BLOCK)
        tl.debug_barrier()
        for j in range(n - 2):
            i = n - 3 - j
            left = tl.load(children + 2 * i)
            right = tl.load(children + 2 * i + 1)
            l_message = _message(left, n, sets, n_columns, slots, of_c, n_categories, N_STATES, WIDTH, BLOCK)
            r_message = _message(right, n, sets, n_columns, slots, of_c, n_categories, N_STATES, WIDTH, BLOCK)
            u = _load_tile(slots + i * (N_STATES * BLOCK), N_STATES, WIDTH, BLOCK)
            v = l_message * r_message
            factor, _ = power_of_two(tl.max(v, axis=0), FLOAT64)
            if j > 0:  # the slot of the top node already holds what the others get here
                edge = (n + i) * n_categories
                if not BY_TIMES:
                    _store_matrix(out + edge * size, _outer(u, v * factor[None, :], WIDTH), N_STATES, WIDTH)
                u = _transposed_product(_load_matrix(of_c + edge * (N_STATES * N_STATES), N_STATES, WIDTH), u, WIDTH)
            u *= factor[None, :]
            tl.debug_barrier()  # as above
            _hand_down(
                left, n, u * r_message, l_message, generator, sets, n_columns, slots, out, n_categories,
                N_STATES, WIDTH, BY_TIMES, BLOCK,
            )  # fmt: skip
            _hand_down(
                right, n, u * l_message, r_message, generator, sets, n_columns, slots, out, n_categories,
                N_STATES, WIDTH, BY_TIMES, BLOCK,
            )  # fmt: skip
            tl.debug_barrier()
