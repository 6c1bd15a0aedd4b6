"""Running MrBayes and reading what it wrote, with the wall-clock time of every sample."""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import Alignment, TreeSample
from vbpi_mix.phylo.alignment import Section

BURN_IN = 0.25
_RUNS = 2  # of one process, so that it can tell how far they differ
_POLL_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class MrBayesRuns:
    """The files of one or more processes, each with two runs.

    Arguments:
        tree_files: a `.t` file for each run.
        seconds: wall time of all processes, which ran side by side.
        timeline: (seconds, samples) of each run at moments while they ran: `timeline[run]` is (moments, 2).
        deviation: average standard deviation of split frequencies that each process printed last.
    """

    tree_files: tuple[Path, ...]
    seconds: float
    timeline: tuple[np.ndarray, ...]
    deviation: tuple[float, ...]

    def sample(self, alignment: Alignment, runs: Sequence[int] | None = None) -> TreeSample:
        """Trees of the runs (all if not given), the first quarter of each left out."""
        files = [self.tree_files[i] for i in (runs if runs is not None else range(len(self.tree_files)))]
        return read_sample(files, alignment)

    def sample_at(self, alignment: Alignment, seconds: float, folder: Path) -> TreeSample | None:
        """The same as it would have been after so many seconds; None if a run had fewer than ten samples then."""
        files = []
        for number, (path, line) in enumerate(zip(self.tree_files, self.timeline, strict=True)):
            done = line[line[:, 0] <= seconds]
            count = int(done[-1, 1]) if len(done) else 0
            if count < 10:
                return None
            files.append(_beginning(path, count, folder / f"beginning{number}.t"))
        return read_sample(files, alignment)

    def save(self, folder: Path) -> None:
        """Remember the runs in their folder, for `load_runs`."""
        content = {
            "seconds": self.seconds,
            "timeline": [line.tolist() for line in self.timeline],
            "deviation": self.deviation,
            "tree_files": [path.name for path in self.tree_files],
        }
        (folder / "runs.json").write_text(json.dumps(content), encoding="utf-8")


def load_runs(folder: Path) -> MrBayesRuns | None:
    """Runs that were finished in a folder before, if there are any."""
    path = folder / "runs.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return MrBayesRuns(
        tree_files=tuple(folder / name for name in content["tree_files"]),
        seconds=content["seconds"],
        timeline=tuple(np.array(line) for line in content["timeline"]),
        deviation=tuple(content["deviation"]),
    )


def find_mrbayes() -> str | None:
    """The program, if it is installed."""
    return shutil.which("mb")


def run_mrbayes(
    alignment: Alignment,
    folder: Path,
    *,
    generations: int,
    sample_every: int,
    seed: int,
    n_processes: int,
    max_seconds: float | None = None,
) -> MrBayesRuns:
    """JC69, exponential(10) branch lengths: two runs of four chains in every process, with BEAGLE in double precision.

    Taxa are t0, t1, ... in the files, so that any name can be given; `MrBayesRuns.sample` puts the names back.
    """
    program = find_mrbayes()
    assert program is not None
    folder.mkdir(parents=True, exist_ok=True)
    write_data(alignment, folder / "data.nex")
    prefixes = [f"chain{i}" for i in range(n_processes)]
    running = []
    begin = time.perf_counter()
    for i, prefix in enumerate(prefixes):
        for old in folder.glob(f"{prefix}.*"):
            old.unlink()
        (folder / f"{prefix}.nex").write_text(
            f"set autoclose=yes nowarn=yes seed={seed + i} swapseed={seed + i};\n"
            "set usebeagle=yes beagledevice=cpu beagleprecision=double beaglescaling=dynamic;\n"
            "execute data.nex;\nlset nst=1 rates=equal;\n"
            "prset statefreqpr=fixed(equal) brlenspr=unconstrained:exponential(10.0);\n"
            f"mcmcp ngen={generations} nruns={_RUNS} nchains=4 samplefreq={sample_every} printfreq={generations} "
            f"diagnfreq={max(generations // 20, 1000)} relburnin=yes burninfrac={BURN_IN} filename={prefix};\n"
            "mcmc;\nquit;\n",
            encoding="utf-8",
        )
        log = (folder / f"{prefix}.log").open("wb")
        running.append((subprocess.Popen([program, f"{prefix}.nex"], cwd=folder, stdout=log, stderr=log), log))
    files = [folder / f"{prefix}.run{run + 1}.t" for prefix in prefixes for run in range(_RUNS)]
    counters = [_Counter(path) for path in files]
    try:
        while any(process.poll() is None for process, _ in running):
            time.sleep(_POLL_SECONDS)
            for counter in counters:
                counter.look(time.perf_counter() - begin)
            if max_seconds is not None and time.perf_counter() - begin > max_seconds:
                break
    finally:
        for process, log in running:
            process.kill()  # it does not heed SIGTERM
            process.wait()
            log.close()
    seconds = time.perf_counter() - begin
    for counter in counters:
        counter.look(seconds)
    runs = MrBayesRuns(
        tree_files=tuple(files),
        seconds=seconds,
        timeline=tuple(np.array(counter.seen) for counter in counters),
        deviation=tuple(_last_deviation(folder / f"{prefix}.mcmc") for prefix in prefixes),
    )
    runs.save(folder)
    return runs


class _Counter:
    """Counts the trees in a file that grows."""

    def __init__(self, path: Path) -> None:
        self.path, self.position, self.count = path, 0, 0
        self.seen: list[tuple[float, int]] = []

    def look(self, seconds: float) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.position)
            chunk = file.read()
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self.position += len(whole)
        self.count += whole.count(b"\n   tree ")
        if whole.startswith(b"   tree "):
            self.count += 1
        self.seen.append((seconds, self.count))


def _beginning(path: Path, count: int, target: Path) -> Path:
    """The first `count` trees of a file as a file of its own."""
    left = count
    with path.open(encoding="utf-8") as source, atomic_write(target) as file:
        for line in source:
            is_tree = line.startswith("   tree ")
            if is_tree and left == 0:
                break
            left -= is_tree
            file.write(line)
        file.write("end;\n")
    return target


def read_sample(files: Sequence[Path], alignment: Alignment) -> TreeSample:
    names = [f"t{i}" for i in range(alignment.n_taxa)]
    return replace(read_trees(files, names, burn_in=BURN_IN), taxa=alignment.taxa)


def write_data(alignment: Alignment, path: Path) -> None:
    """NEXUS file of an alignment, taxa named t0, t1, ...; columns of several kinds of data keep their places."""
    text = np.full(alignment.state_sets.shape, "?", dtype="U1")
    sections = alignment.sections or (Section(data_type=alignment.data_type, sites=np.arange(alignment.n_sites)),)
    kinds = []
    for section in sections:
        text[:, section.sites] = section.data_type.characters(alignment.state_sets[:, section.sites], missing="?")
        name = {"dna": "DNA", "protein": "Protein", "standard": "Standard"}[section.data_type.name]
        kinds.append(f"{name}:{section.sites[0] + 1}-{section.sites[-1] + 1}")
    kind = f"mixed({','.join(kinds)})" if len(kinds) > 1 else kinds[0].partition(":")[0]
    rows = (f"t{i} {''.join(row)}\n" for i, row in enumerate(text))
    path.write_text(
        f"#NEXUS\nbegin data;\ndimensions ntax={alignment.n_taxa} nchar={alignment.n_sites};\n"
        f"format datatype={kind} missing=? gap=-;\nmatrix\n{''.join(rows)};\nend;\n",
        encoding="utf-8",
    )


def _last_deviation(path: Path) -> float:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    try:
        return float(lines[-1].split("\t")[-1])
    except (IndexError, ValueError):
        return float("nan")
