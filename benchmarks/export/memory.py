"""Peak memory and time of `vbpi-mix export` against the number of trees: the memory must not grow with it.

Each export is a process of its own, asked by the system for its peak when it ends. The files of the largest one are
read back and counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._common import RESULTS_FOLDER, print_table, write_json_lines

RESULTS = RESULTS_FOLDER / "export"


def main() -> None:
    arguments = _parser().parse_args()
    rows = []
    for number in arguments.number:
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
            rows.append(measure(arguments, number, Path(folder) / "out"))
        print_table(rows[-1:], list(rows[-1]))
        write_json_lines(arguments.output, rows)


def measure(arguments: argparse.Namespace, number: int, folder: Path) -> dict[str, Any]:
    """One export: seconds, peak memory, bytes written; wrong numbers of lines end the benchmark."""
    command = [sys.executable, "-c", "from vbpi_mix.cli.main import main; main()", "export", str(arguments.run)]
    command += ["-o", str(folder), "-n", str(number), "--oversampling", str(arguments.oversampling), "--json", "-q"]
    command += ["--format", arguments.format]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"the export of {number} trees failed")
    seconds = time.perf_counter() - begin
    for ending, extra in ((".nwk", 0), (".p", 2), (".log", 3)):
        path = folder / f"posterior{ending}"
        if path.is_file():
            with path.open("rb") as file:
                lines = sum(1 for _ in file)
            if lines != number + extra:
                raise SystemExit(f"{path.name} has {lines} lines instead of {number + extra}")
    return {
        "trees": number,
        "draws": json.loads(printed)["n_draws"],
        "seconds": round(seconds, 1),
        "peak_MB": round(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6),
        "written_MB": round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1),
        "formats": arguments.format,
        "run": arguments.run.name,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--number", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--oversampling", type=int, default=20)
    parser.add_argument("--format", default="trees,mrbayes,trprobs,newick,log,consensus,map,splits")
    parser.add_argument("--scratch", type=Path, help="folder with room for the files, which are removed again")
    parser.add_argument("--output", type=Path, default=RESULTS / "memory.jsonl")
    return parser


if __name__ == "__main__":
    main()
