"""Commands that are killed at random moments and given again: `python -m tests.faults.kills --kills 100 --log FILE`.

Whatever stage a command is in, what it has written in the end must be what it would have written undisturbed.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vbpi_mix.batch.table import TABLE, read_rows
from vbpi_mix.train.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
ALIGNMENT = ROOT / "tests" / "cases" / "files" / "base.fasta"
PRIMATES = ROOT / "data" / "examples" / "primates.fasta"
LOCI = Path(__file__).parent / "loci.tsv"
_LIMIT = 7200.0  # seconds; a machine may be busy
_ENOUGH = 5  # failures


@dataclass(frozen=True)
class Stage:
    """A command that can be resumed.

    Arguments:
        words: of the command, without the folder.
        resume: words to add where the folder holds something already.
        differences: what is not equal in two folders.
        before: words of a command that makes the folder, undisturbed; it is run once, and the folder is copied.
        into: word before the folder; none if the folder is the first argument.
    """

    words: tuple[str, ...]
    resume: tuple[str, ...]
    differences: Callable[[Path, Path], list[str]]
    before: tuple[str, ...] = ()
    into: str = "-o"


def differences_of_fits(one: Path, other: Path) -> list[str]:
    """Names of what two run folders do not have in common, bit for bit; times are their own."""
    a, b = (load_checkpoint(folder / "checkpoint.pt") for folder in (one, other))
    found = [f"model: {name}" for name in a["model"] if not torch.equal(a["model"][name], b["model"][name])]
    metrics = [
        [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in text.splitlines()]
        for text in ((folder / "metrics.jsonl").read_text() for folder in (one, other))
    ]
    found += ["metrics.jsonl"] if metrics[0] != metrics[1] else []
    files = [path.relative_to(one) for path in sorted((one / "posterior").iterdir())] + [Path("evaluation.json")]
    found += [str(name) for name in files if (one / name).read_bytes() != (other / name).read_bytes()]
    names = [sorted(path.name for path in folder.iterdir()) for folder in (one, other)]
    return found + ([] if names[0] == names[1] else [f"files: {set(names[0]) ^ set(names[1])}"])


def differences_of_annealed(one: Path, other: Path) -> list[str]:
    """The same of runs that finish with annealing, their particles included."""
    same = (one / "annealed.npz").read_bytes() == (other / "annealed.npz").read_bytes()
    return [*differences_of_fits(one, other), *([] if same else ["annealed.npz"])]


def differences_of_sampled(one: Path, other: Path) -> list[str]:
    """The same of runs that start from chains as well."""
    same = (one / "chains.npz").read_bytes() == (other / "chains.npz").read_bytes()
    return [*differences_of_annealed(one, other), *([] if same else ["chains.npz"])]


def differences_of_toys(one: Path, other: Path) -> list[str]:
    """Names of the records of two folders of `bench toy` that differ in more than times."""
    names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json")) for folder in (one, other)]
    if names[0] != names[1] or not names[0]:
        return [f"files: {names}"]
    return [name for name in names[0] if _timeless(one / name) != _timeless(other / name)]


def _timeless(path: Path) -> object:
    record = json.loads(path.read_text())
    return {key: value for key, value in record["result"].items() if "second" not in key and "time" not in key}


def differences_of_batches(one: Path, other: Path) -> list[str]:
    """Names of what two folders of `batch` do not have in common; times are their own."""
    tables = [read_rows(folder / TABLE) for folder in (one, other)]
    rows = [{name: replace(row, seconds=0.0, core_seconds=0.0) for name, row in table.items()} for table in tables]
    found = [] if sorted(map(str, rows[0].items())) == sorted(map(str, rows[1].items())) else [TABLE]
    names = [sorted(path.relative_to(folder) for path in folder.rglob("*.npz")) for folder in (one, other)]
    if names[0] != names[1] or not names[0]:
        return [*found, f"files: {names}"]
    return found + [str(name) for name in names[0] if (one / name).read_bytes() != (other / name).read_bytes()]


def _fit(*words: str, alignment: Path = ALIGNMENT, model: str = "JC69", replicates: int = 4) -> tuple[str, ...]:
    few = ("--seed", "3", "--components", "2", "--threads", "1", "-q", "--bootstrap-replicates", str(replicates))
    return ("fit", str(alignment), *few, "--model", model, *words)


_RESUME = ("--resume",)
STAGES = {
    "fit": Stage(_fit("--iterations", "300", replicates=12), _RESUME, differences_of_fits),
    "search": Stage(_fit("--iterations", "100", alignment=PRIMATES), _RESUME, differences_of_fits),
    "refresh": Stage(_fit("--iterations", "600", "--refresh-every", "200"), _RESUME, differences_of_fits),
    "weights": Stage(_fit("--iterations", "200", "--learn-weights"), _RESUME, differences_of_fits),
    "parameters": Stage(_fit("--iterations", "200", model="HKY"), _RESUME, differences_of_fits),
    "chains": Stage(_fit("--iterations", "100", "--start", "sample", model="HKY"), _RESUME, differences_of_sampled),
    "anneal": Stage(
        ("anneal", "--particles", "32", "--groups", "3", "--rounds", "60", "--threads", "1", "-q"),
        (),
        differences_of_annealed,
        before=_fit("--iterations", "100"),
        into="",
    ),
    "batch": Stage(
        ("batch", str(LOCI), "--model", "HKY", "--depth", "anneal", "--workers", "1", "-q"), (), differences_of_batches
    ),
    "bench": Stage(
        ("bench", "toy", "--scale", "small", "--iterations", "800", "--rows", "s2a:1:3", "--train-only", "-q"),
        (),
        differences_of_toys,
    ),
}


def command(stage: Stage, folder: Path) -> list[str]:
    """The command for a folder as it is."""
    resume = stage.resume if (folder / "config.toml").exists() else ()
    return [sys.executable, "-m", "vbpi_mix", *stage.words, *filter(None, (stage.into, str(folder))), *resume]


def prepare(stage: Stage, folder: Path) -> None:
    """Make what the command finds in its folder, if there is anything."""
    if not stage.before:
        return
    made = folder.with_name(f"before_{stage.words[0]}")
    if not made.exists():
        _run([sys.executable, "-m", "vbpi_mix", *stage.before, "-o", str(made)])
    shutil.copytree(made, folder)


def undisturbed(stage: Stage, folder: Path) -> float:
    """Run a command to its end; its seconds."""
    begun = time.perf_counter()
    _run(command(stage, folder))
    return time.perf_counter() - begun


def reference(stage: Stage, folder: Path, *, compiled: bool = False) -> float:
    """The folder that others are compared with; its seconds.

    A process that compiles kernels may round otherwise than those that load them: where kernels were compiled
    meanwhile, the command is run again. They are not looked for if they are `compiled` already.
    """
    while True:
        before = _kernels()
        prepare(stage, folder)
        seconds = undisturbed(stage, folder)
        if compiled or before == _kernels():
            return seconds
        shutil.rmtree(folder)


def _kernels() -> dict[Path, int]:
    """Compiled kernels, and when they were written."""
    folder = os.environ.get("NUMBA_CACHE_DIR", ROOT / "vbpi_mix")
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.nbc")}


def environment() -> dict[str, str]:
    """The environment, in which Python keeps compiled modules: a start without them costs more than most stages."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _run(words: list[str]) -> None:
    run = subprocess.run(words, capture_output=True, text=True, timeout=_LIMIT, check=False, env=environment())
    assert run.returncode == 0, run.stderr


def disturbed(stage: Stage, folder: Path, kills: int, longest: float, generator: random.Random) -> tuple[int, float]:
    """Give a command again and again, killed at a random moment each time, then to its end.

    Returns how often it was killed, and the seconds of the whole command as last seen.

    Every third signal is SIGTERM, so that there are checkpoints to go on from. `longest` are the seconds of the whole
    command; where it ends before its first signal, the machine has become faster, and the next signals come sooner.
    """
    killed = 0
    while killed < kills:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command(stage, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
        )
        gentle = generator.random() < 0.33
        try:
            process.wait(timeout=generator.uniform(0.05, 1.0) * longest)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM if gentle else signal.SIGKILL)
            killed += not gentle
        _, err = process.communicate(timeout=_LIMIT)
        expected = (0, -signal.SIGKILL, 128 + signal.SIGTERM, -signal.SIGTERM)
        assert process.returncode in expected, (process.returncode, err)
        assert "Traceback" not in err, err
        if process.returncode == 0:
            longest = min(longest, time.perf_counter() - begun)
            if killed:
                break
            shutil.rmtree(folder)
            prepare(stage, folder)
    undisturbed(stage, folder)
    return killed, longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--compiled", action="store_true", help="the commands have all been run here before")
    options = parser.parse_args()
    generator = random.Random(options.seed)
    total, lines = 0, []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        seconds = {
            key: reference(stage, scratch / f"{key}_whole", compiled=options.compiled) for key, stage in STAGES.items()
        }
        while total < options.kills and sum("FAILED" in line for line in lines) < _ENOUGH:
            for key, stage in STAGES.items():
                folder = scratch / f"{key}_parts"
                prepare(stage, folder)
                kills = generator.randint(2, 6)
                try:
                    killed, seconds[key] = disturbed(stage, folder, kills, seconds[key], generator)
                    found = stage.differences(scratch / f"{key}_whole", folder)
                except AssertionError as error:
                    killed, found = 0, [f"FAILED: {error}"]
                total += killed
                lines.append(f"{key}: {killed} kills, {', '.join(found) or 'bit-identical'}")
                if options.log is not None:
                    options.log.write_text(f"seed {options.seed}: {total} kills\n" + "\n".join(lines) + "\n")
                shutil.rmtree(folder, ignore_errors=True)
                if total >= options.kills:
                    break
    print("\n".join(lines))
    sys.exit(any("bit-identical" not in line for line in lines))


if __name__ == "__main__":
    main()
