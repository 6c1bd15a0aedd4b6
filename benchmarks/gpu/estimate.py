"""Trees per second that the GPU kernels should reach, without a GPU: python -m benchmarks.gpu.estimate.

Triton compiles the kernels for an H100 (compute capability 9.0), and ptxas says how many registers a thread takes; from
these follows how many programs run at a time. Bytes and operations of a tree are counted by the formulas below; the
time is that of the slower of the two, at a share of the peak rates that such kernels usually reach. An estimate, to be
held against what `benchmarks.gpu.run` measures.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks._common import RESULTS_FOLDER, print_table
from benchmarks.gpu import fleet
from benchmarks.gpu.annealing import WHOLE
from benchmarks.gpu.run import patterns_of
from vbpi_mix.anneal.batched.path_moves import BatchedSettings
from vbpi_mix.provenance import describe

# NVIDIA H100 SXM5 80 GB, the vendor's data sheet: bytes per second, float64 and float32 operations per second outside
# of the tensor cores and float64 ones inside, multiprocessors; registers and warps of a multiprocessor
BANDWIDTH, FLOAT64, FLOAT32, FLOAT64_TENSOR, N_MULTIPROCESSORS = 3.35e12, 34e12, 67e12, 67e12, 132
REGISTERS, WARPS, BLOCKS = 65_536, 64, 32
REACHED_BANDWIDTH, REACHED_OPERATIONS = 0.7, 0.35  # shares of the peaks; separate multiplications and additions
N_STATES = {"JC69": 4, "GTR+G4": 4, "LG+G4": 20}
WIDE = 32  # rows of a tile of 20 states
TEMPERATURES = 6  # that annealing on the simulated data chose in a run on a CPU
GATHERS = 8  # passes over the rows of all edges and features, derivatives included
LAUNCH_SECONDS = 8e-6  # of the host for an operation of PyTorch, derivatives included: a usual figure
STEPS_OF_LENGTHS = 6  # likelihoods of the random steps of the tree length at a temperature, without other parameters
# taxa, patterns as the benchmark has them: JC69's are merged by relabelling
SIZES = {"DS1": (27, 753, 934), "DS8": (64, 329, 406), "simulated100": (100, 1000, 1000), "simulated1000": (1000,) * 3}
PROTEINS = ("simulated100", 100, 500)

COMPILE = """
import sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
import triton
from vbpi_mix.felsenstein.gpu import general, jc69, wide
folder = sys.argv[1]
four = (jc69.jc69_up, jc69.jc69_down, general.general_up, general.general_down)
twenty = {"N_STATES": 20, "WIDTH": 32}
cases = [(function, {}, 1) for function in four]
cases += [(wide.wide_up, twenty, 4), (wide.wide_down, twenty | {"BY_TIMES": True}, 4)]
for float64 in (True, False):
    for function, more, n_warps in cases:
        constants = {"BLOCK": 32, "FLOAT64": float64} | more
        types = {"children": "*i32", "states": "*i32" if more else "*u8", "logs": "*fp64", "exponents": "*fp64"}
        types |= dict.fromkeys(("n", "n_blocks", "n_categories"), "i32") | dict.fromkeys(constants, "constexpr")
        signature = {name: types.get(name, "*fp64" if float64 else "*fp32") for name in function.arg_names}
        source = ASTSource(fn=function, signature=signature, constexprs=constants)
        options = {"num_warps": n_warps, "num_stages": 1}
        code = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm["ptx"]
        open(f"{folder}/{function.__name__}.{'float64' if float64 else 'float32'}.ptx", "w").write(code)
"""


def registers() -> dict[str, dict[str, int]]:
    """Registers of a thread, bytes that did not fit into them, and warps of a multiprocessor, by kernel and type."""
    import triton

    ptxas = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TRITON_CACHE_DIR": folder, "TRITON_INTERPRET": "0"}
        subprocess.run([sys.executable, "-c", COMPILE, folder], env=environment, check=True)
        for path in sorted(Path(folder).glob("*.ptx")):
            command = [str(ptxas), "-arch=sm_90a", "-v", str(path), "-o", f"{folder}/out"]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stderr
            used = int(re.search(r"Used (\d+) registers", text)[1])  # type: ignore[index]
            spilled = int(re.search(r"(\d+) bytes spill stores", text)[1])  # type: ignore[index]
            given = -(-used // 8) * 8
            per_program = 4 if path.stem.startswith("wide") else 1
            programs = min(BLOCKS, WARPS // per_program, REGISTERS // (32 * per_program * given))
            found[path.stem] = {
                "registers": used, "spilled": spilled, "warps": programs * per_program,
                "products_by_tensor_cores": len(re.findall(r"\bmma\.sync", path.read_text())),
            }  # fmt: skip
    return found


def bytes_and_operations(
    n_taxa: int, n_patterns: int, n_categories: int, size: int, *, gradient: bool, n_states: int = 4
) -> dict[str, float]:
    """Of one tree: bytes of global memory and floating-point operations.

    JC69 is n_categories = 0. Messages of tips are made from their sets, which the cache holds; the other messages, one
    number per state, internal node and pattern, go through global memory: once written and once read on the way up; on
    the way down both children's and the outside message are read, and the children's outside messages written. For the
    general model of four states a product with a matrix is 28 operations, and derivatives in a matrix are 32 per
    pattern. With 20 states a product is one with a tile of 32 rows; each tip and each internal edge has one on the way
    up and one on the way down, and each edge another for the derivative in its length.
    """
    inner, edges, c = n_taxa - 2, 2 * n_taxa - 3, max(1, n_categories)
    messages = 2 + (4 if gradient else 0)
    moved = messages * n_states * size * inner * n_patterns * c
    if n_states != 4:
        products = (2 if gradient else 1) * (n_taxa + inner) + (edges if gradient else 0)
        work = products * 2 * WIDE * WIDE * n_patterns * c
        moved += (2 if gradient else 1) * edges * c * n_states * n_states * size  # matrices, for a tree's blocks once
    elif n_categories == 0:
        up, down = 4 + 5 + 12 + 3 * 2, 4 + 4 + 8 + 8 + 6 + 4 + 2 * 12
        work = (up + (down if gradient else 0)) * inner * n_patterns
    else:
        up, down = 28 * 2 + 4 + 8, 28 * 2 + 4 + 8 + 8
        work = (up * inner + ((down * inner + 32 * edges) if gradient else 0)) * n_patterns * c
        if gradient:  # sums per block of 32 patterns, written and read again
            moved += 2 * 16 * size * edges * c * n_patterns / 32
    return {"bytes": float(moved), "operations": float(work)}


def annealing_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Particles annealed per second, from the likelihoods and gradients of a temperature; nothing else is counted."""
    seconds = {row["what"]: 1 / row["trees_per_second"] for row in rows if _is_annealed(row)}
    settings = BatchedSettings()
    n_gradients = settings.trajectories * (settings.n_steps + 1)
    n_values = 1 + settings.interchanges_of(WHOLE.n_taxa) + settings.regrafts + STEPS_OF_LENGTHS
    each = TEMPERATURES * (n_values * seconds["forward"] + n_gradients * seconds["gradient"])
    return {
        "taxa": WHOLE.n_taxa, "particles": WHOLE.n_particles, "temperatures": TEMPERATURES,
        "likelihoods_a_temperature": n_values, "gradients_a_temperature": n_gradients,
        "seconds_a_group": WHOLE.n_particles * each, "particles_per_second": 1 / each,
    }  # fmt: skip


def fleet_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A step of the 48 models of a column of Table 3 on DS1: launches, topologies drawn on the CPU, likelihoods.

    The rows of RealNVP's tables that a step uses are few; their derivative is a whole table, written once and read
    once, as the optimiser looks for the rows that it touches. The weights of all edges are gathered from these rows.
    """
    column = fleet.WHOLE
    (likelihood,) = (
        1 / r["trees_per_second"] for r in rows
        if (r["data"], r["model"], r["dtype"], r["what"]) == (column.data, "JC69", "float64", "gradient")
    )  # fmt: skip
    n_trees = 10 * column.n_seeds * sum(row.n_sampled for row in column.rows)
    n_launches = fleet.launches_of_a_step(replace(column, data="simulated6"), patterns_of("simulated6", "JC69"))
    drawing = fleet.seconds_to_draw(replace(column, flow="skew"), patterns_of(column.data, "JC69"))
    models = fleet.trainings(replace(column, n_seeds=1, rows=column.rows[:1]), patterns_of(column.data, "JC69"), 1)
    table = dict(models[0].problem.named_parameters())["mixture.branches.flow.inner.rows"]
    moved = 2 * column.n_seeds * len(column.rows) * table.numel() * table.element_size()
    n_edges = 2 * SIZES[column.data][0] - 3
    moved += GATHERS * n_trees * n_edges * 3 * table.shape[1] * table.element_size()
    parts = {
        "launches_ms": n_launches * LAUNCH_SECONDS, "drawing_ms": drawing, "likelihood_ms": n_trees * likelihood,
        "tables_ms": moved / (REACHED_BANDWIDTH * BANDWIDTH),
    }  # fmt: skip
    step = sum(parts.values())
    return {
        "data": column.data, "models": column.n_seeds * len(column.rows), "trees": n_trees, "launches": n_launches,
        **{name: 1e3 * value for name, value in parts.items()}, "ms_per_step": 1e3 * step,
        f"minutes_of_{fleet.ITERATIONS}": step * fleet.ITERATIONS / 60,
    }  # fmt: skip


def _is_annealed(row: dict[str, Any]) -> bool:
    return (row["data"], row["model"], row["dtype"]) == ("simulated100", "JC69", "float64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "gpu" / "estimate.json", help="the record")
    options = parser.parse_args()
    cases = [(data, "JC69", n_taxa, merged, 0) for data, (n_taxa, merged, _) in SIZES.items()]
    cases += [(data, "GTR+G4", n_taxa, n_patterns, 4) for data, (n_taxa, _, n_patterns) in SIZES.items()]
    cases.append((PROTEINS[0], "LG+G4", *PROTEINS[1:], 4))
    rows: list[dict[str, Any]] = []
    for data, model, n_taxa, n_patterns, n_categories in cases:
        n_states = N_STATES[model]
        of_float64 = FLOAT64 if n_states == 4 else FLOAT64_TENSOR
        for what in ("forward", "gradient"):
            for dtype, size, peak in (("float64", 8, of_float64), ("float32", 4, FLOAT32)):
                counted = bytes_and_operations(
                    n_taxa, n_patterns, n_categories, size, gradient=what == "gradient", n_states=n_states
                )
                memory = counted["bytes"] / (REACHED_BANDWIDTH * BANDWIDTH)
                arithmetic = counted["operations"] / (REACHED_OPERATIONS * peak)
                rows.append(
                    {"data": data, "model": model, "patterns": n_patterns, "what": what, "dtype": dtype, **counted,
                     "bound by": "memory" if memory > arithmetic else "arithmetic",
                     "us_per_tree": 1e6 * max(memory, arithmetic),
                     "trees_per_second": 1 / max(memory, arithmetic)}
                )  # fmt: skip
    record = {
        "device": "H100 SXM5, not measured", "provenance": describe(), "kernels": registers(), "rows": rows,
        "annealing": annealing_row(rows), "fleet": fleet_row(rows),
    }  # fmt: skip
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for name, kernel in record["kernels"].items():
        print(f"{name:22} {kernel}")
    print_table(rows, list(rows[0]))
    for part in ("annealing", "fleet"):
        print_table([record[part]], list(record[part]))
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
