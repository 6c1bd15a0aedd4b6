"""A batch whose workers are killed again and again, beside an undisturbed one: all loci done, results equal?

    python -m benchmarks.loci.disturbed LOCI --by processes -o FILE
    python -m benchmarks.loci.disturbed LOCI --by dask -o FILE
    SLURM_CONF=... python -m benchmarks.loci.disturbed LOCI --by slurm -o FILE

LOCI is a folder of alignments. Both batches have two workers, and every `--kill-every` seconds one of the second
batch's is killed by signal 9. `processes`: those of `vbpi-mix batch` itself. `dask`: `dask worker` processes of a
scheduler on loopback, each at an address of its own, as two machines would be; a killed one is started again. `slurm`:
jobs of a cluster (`benchmarks/slurm/one_node.sh` makes one) that dask-jobqueue starts, killed by `scancel`. The gate:
every locus is done, and all arrays of all results are equal to the last digit.
"""

import argparse
import importlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import print_table
from vbpi_mix.provenance import describe

_N_WORKERS = 2
_PATIENCE = 60.0  # seconds
_TRIES = "20"  # of a locus: it may be the one that is killed several times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loci", type=Path)
    parser.add_argument("--by", choices=["processes", "dask", "slurm"], required=True)
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds")
    parser.add_argument("--model", default="HKY+G4")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        calm, disturbed = Path(temporary) / "calm", Path(temporary) / "disturbed"
        seconds = _batch(options.loci, calm, options.model, ["--workers", str(_N_WORKERS)])
        rows.append({"by": "processes", "killed": 0, "seconds": seconds})
        cluster = {"processes": _processes, "dask": _dask, "slurm": _slurm}[options.by]
        with cluster() as (arguments, victims, again):
            killed: list[int] = []
            seconds = _batch(
                options.loci, disturbed, options.model, [*arguments, "--tries", _TRIES],
                meanwhile=lambda master, over: _kill(options.kill_every, lambda: victims(master), again, killed, over),
            )  # fmt: skip
        rows.append({"by": options.by, "killed": len(killed), "seconds": seconds})
        n_loci = compare(calm, disturbed)
    if not killed:
        raise SystemExit("no worker was killed: more loci, or a shorter time between two of them")
    print_table(
        [{k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()} for row in rows], tuple(rows[0])
    )
    print(f"{n_loci} loci, all results equal")
    record = {"provenance": describe(), "loci": n_loci, "kill_every_s": options.kill_every, "rows": rows}
    options.output.write_text(json.dumps(record, indent=1) + "\n")


def compare(calm: Path, disturbed: Path) -> int:
    """The number of loci, all of whose arrays are equal in both batches.

    Raises:
        SystemExit: they are not.
    """
    found = sorted(p.relative_to(calm) for p in (calm / "loci").rglob("*.npz"))
    other = sorted(p.relative_to(disturbed) for p in (disturbed / "loci").rglob("*.npz"))
    if not found or found != other:
        raise SystemExit(f"{len(found)} loci are done in the undisturbed batch and {len(other)} in the other")
    for path in found:
        with np.load(calm / path) as one, np.load(disturbed / path) as two:
            if set(one) != set(two) or not all(_equal(one[name], two[name]) for name in one):
                raise SystemExit(f"{path} differs")
    return len(found)


def _equal(one: np.ndarray, two: np.ndarray) -> bool:
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()


def _batch(
    loci: Path, output: Path, model: str, arguments: list[str],
    meanwhile: Callable[[int, threading.Event], None] | None = None,
) -> float:  # fmt: skip
    """Seconds of a batch; `meanwhile` is called with its process, and an event that tells its end."""
    command = [sys.executable, "-m", "vbpi_mix", "batch", str(loci), "-o", str(output), "--model", model]
    begun = time.perf_counter()
    with subprocess.Popen([*command, "--depth", "topologies", "-q", *arguments]) as process:
        over = threading.Event()
        beside = threading.Thread(target=meanwhile or (lambda *_: None), args=(process.pid, over))
        beside.start()
        status = process.wait()
        over.set()
        beside.join()
    if status:
        raise SystemExit(f"the batch ended with exit status {status}")
    return time.perf_counter() - begun


def _kill(
    seconds: float, victims: Callable[[], list[int]], again: Callable[[int], None], killed: list[int],
    over: threading.Event,
) -> None:  # fmt: skip
    generator = random.Random(1)
    while not over.wait(seconds):
        there = victims()
        if there:
            victim = generator.choice(there)
            with suppress(ProcessLookupError, subprocess.CalledProcessError):  # it ended by itself
                again(victim)
                killed.append(victim)


def _end(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def _wait_for(what: str, there: Callable[[], bool]) -> None:
    until = time.perf_counter() + _PATIENCE
    while not there():
        if time.perf_counter() > until:
            raise SystemExit(f"{what} did not start within {_PATIENCE:.0f} s")
        time.sleep(0.2)


def _children(process: int) -> list[int]:
    with suppress(OSError):
        return [int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


Cluster = tuple[list[str], Callable[[int], list[int]], Callable[[int], None]]


@contextmanager
def _processes() -> Iterator[Cluster]:
    """Workers are children of the server that the batch forks them from."""

    def workers(master: int) -> list[int]:
        return [worker for server in _children(master) for worker in _children(server)]

    yield ["--workers", str(_N_WORKERS)], workers, _end


@contextmanager
def _dask() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "scheduler.json"
        dask = [sys.executable, "-m", "dask"]
        started: dict[int, tuple[subprocess.Popen[bytes], str]] = {}

        def start(address: str) -> None:
            options = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", address]
            command = [*dask, "worker", "--scheduler-file", str(where), *options, "--local-directory", folder]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            started[process.pid] = process, address

        def end_and_start_again(worker: int) -> None:
            process, address = started.pop(worker)
            process.kill()
            process.wait()
            start(address)

        command = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        with subprocess.Popen([*command, "--scheduler-file", str(where)], stderr=subprocess.DEVNULL) as scheduler:
            try:
                _wait_for("the scheduler", where.is_file)
                for i in range(_N_WORKERS):
                    start(f"127.0.0.{2 + i}")
                address = json.loads(where.read_text())["address"]
                yield ["--scheduler", address], lambda _: list(started), end_and_start_again
            finally:
                for process, _ in started.values():
                    process.kill()
                    process.wait()
                scheduler.terminate()


@contextmanager
def _slurm() -> Iterator[Cluster]:
    """Jobs of one worker each; dask-jobqueue puts another in the place of one that was killed."""
    if shutil.which("squeue") is None:
        raise SystemExit("Slurm is not installed")
    dask_jobqueue: Any = importlib.import_module("dask_jobqueue")
    path = f"export PYTHONPATH={shlex.quote(os.environ.get('PYTHONPATH', ''))}"
    name = f"disturbed-{os.getpid()}"

    def jobs() -> list[int]:
        command = ["squeue", "--noheader", "--states", "RUNNING", "--name", name, "--format", "%i"]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [int(line) for line in found.split()]

    def cancel(job: int) -> None:
        subprocess.run(["scancel", "--full", "--signal=KILL", str(job)], check=True)

    with tempfile.TemporaryDirectory() as folder:
        cluster = dask_jobqueue.SLURMCluster(
            cores=1, memory="2GB", walltime="01:00:00", job_name=name, interface="lo", local_directory=folder,
            log_directory=folder, worker_extra_args=["--nthreads", "1"], job_script_prologue=[path],
            scheduler_options={"dashboard_address": ":0"},
        )  # fmt: skip
        try:
            cluster.adapt(minimum=_N_WORKERS, maximum=_N_WORKERS)
            _wait_for("the jobs", lambda: len(jobs()) >= _N_WORKERS)
            yield ["--scheduler", cluster.scheduler_address], lambda _: jobs(), cancel
        finally:
            cluster.close()


if __name__ == "__main__":
    main()
