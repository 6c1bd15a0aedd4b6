"""Ten thousand loci: memory and time of the process that leads a batch, files and bytes of its folder.

    python -m benchmarks.loci.many --loci 10000 -o many.json

Loci are the same small alignment under many names. The first `--inferred` are inferred; the workers write a copy of the
first one's result for all others, so that what is measured is the master: reading and hashing alignments, handing them
out, the table, the page, and a second call that finds everything done. The gate: the table has a line and the folder a
result for every locus, and the second call does nothing.
"""

import argparse
import functools
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.calibration.simulate import simulate
from vbpi_mix.batch.locus import LocusTask
from vbpi_mix.batch.options import Locus, LocusOptions
from vbpi_mix.batch.pool import run_in_processes
from vbpi_mix.batch.result import LocusResult, load_result
from vbpi_mix.batch.run import Workers, results_of, run_batch
from vbpi_mix.batch.table import Row, row_of_result
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.io.alignments import write_fasta
from vbpi_mix.provenance import describe


@dataclass(frozen=True, kw_only=True)
class Copying(Workers):
    """Workers that write copies of a result."""

    result: LocusResult

    def rows(self, tasks: Iterator[LocusTask], reporter: Reporter) -> Iterator[Row]:  # noqa: ARG002 - as in `Workers`
        return run_in_processes(tasks, self.number or 1, prepare=functools.partial(_copier, self.result))


def _copier(result: LocusResult) -> Callable[[LocusTask], Row]:
    def copy(task: LocusTask) -> Row:
        copied = replace(result, name=task.locus.name, key=task.locus.key())
        path = task.locus.result_path(task.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        copied.save(path)
        return row_of_result(copied)

    return copy


class Watch(Silent):
    """Notes the memory of this process at every tenth of the loci."""

    def __init__(self) -> None:
        self.mb: list[float] = []

    def progress(self, stage: str, done: int, total: int, detail: str = "") -> None:  # noqa: ARG002 - as in `Silent`
        if done % max(1, total // 10) == 0:
            self.mb.append(_resident_mb())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loci", type=int, default=10_000)
    parser.add_argument("--inferred", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loci = _make(folder / "alignments", options.loci)
        batch = folder / "batch"
        run_batch(loci[:1], batch, workers=Workers(number=1), page=False)  # compiles
        begun = time.perf_counter()
        run_batch(loci[: options.inferred], batch, workers=Workers(number=options.workers), page=False)
        inferred = time.perf_counter() - begun
        result = load_result(loci[0].result_path(batch))
        watch, before = Watch(), _resident_mb()
        begun = time.perf_counter()
        run_batch(loci, batch, workers=Copying(number=options.workers, result=result), reporter=watch)
        copied = time.perf_counter() - begun
        begun = time.perf_counter()
        again = run_batch(loci, batch, workers=Workers(number=options.workers))
        second = time.perf_counter() - begun
        if again.n_before != options.loci or sum(1 for _ in results_of(batch)) != options.loci:
            raise SystemExit("a locus is missing")
        files = [path for path in batch.rglob("*") if path.is_file()]
        record = {
            "provenance": describe(),
            "loci": options.loci,
            "seconds_per_inferred_locus": inferred / (options.inferred - 1),
            "seconds_per_copied_locus": copied / (options.loci - options.inferred),
            "seconds_of_second_call": second,
            "master_mb_before": before,
            "master_mb_at_tenths": watch.mb,
            "largest_master_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
            "files": len(files),
            "folders": sum(path.is_dir() for path in batch.rglob("*")),
            "most_files_in_a_folder": max(sum(1 for _ in path.iterdir()) for path in {f.parent for f in files}),
            "bytes": sum(path.stat().st_size for path in files),
            "bytes_of_table": (batch / "loci.tsv").stat().st_size,
            "bytes_of_page": (batch / "index.html").stat().st_size,
        }
    print(json.dumps({k: v for k, v in record.items() if k != "provenance"}, indent=1))
    options.output.write_text(json.dumps(record, indent=1) + "\n")


def _make(folder: Path, number: int) -> list[Locus]:
    folder.mkdir()
    generator = np.random.default_rng(1)
    alignment, _, _ = simulate(5, 150, generator, mean_length=0.1)
    first = folder / "locus00000.fasta"
    write_fasta(alignment, first)
    text = first.read_text()
    options = LocusOptions(model="JC69", depth="topologies")
    loci = []
    for i in range(number):
        path = folder / f"locus{i:05}.fasta"
        path.write_text(text)
        loci.append(Locus(name=path.stem, path=path, options=options))
    return loci


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
