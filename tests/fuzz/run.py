"""Feed damaged files to every reader: `python -m tests.fuzz.run --inputs 1000000 --log FILE`."""

import argparse
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutate import mutate
from tests.fuzz.readers import Reader, readers
from vbpi_mix.errors import VBPIError

SLOW_SECONDS = 20.0
SLOW_TO_READ = ("checkpoint", "inputs", "support", "start", "chains", "annealed", "locus", "idx")


@dataclass
class Outcome:
    """What fuzzing found.

    Arguments:
        inputs: tried, by reader.
        read: of these without an error.
        failures: reader, input and traceback of what was no package error, or was too slow.
    """

    inputs: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, bytes, str]] = field(default_factory=list)


def try_one(
    name: str, reader: Reader, data: bytes, folder: Path, outcome: Outcome, *, slow: float = SLOW_SECONDS
) -> None:
    """Read one input; everything but a result or a package error of one message, in little time, is a failure."""
    path = folder / "input"
    path.write_bytes(data)
    outcome.inputs[name] += 1
    begun = time.process_time()  # not of a clock that other processes of the machine delay
    try:
        reader.read(path)
        outcome.read[name] += 1
    except VBPIError as error:
        if not str(error).strip():
            outcome.failures.append((name, data, "an error without a message"))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome.failures.append((name, data, traceback.format_exc()))
    if time.process_time() - begun > slow:
        outcome.failures.append((name, data, f"{time.process_time() - begun:.1f} s"))


def fuzz(seed: int, *, seconds: float = float("inf"), inputs: int = sys.maxsize, report: Path | None = None) -> Outcome:
    """Mutate and read until the time is up or there were so many inputs.

    Arguments:
        seed: of the damage.
        seconds: at most.
        inputs: at most.
        report: file that progress is written to.
    """
    generator = random.Random(seed)
    known = readers()
    names = [name for name in known for _ in range(1 if name in SLOW_TO_READ else 4)]
    outcome = Outcome()
    end, said = time.perf_counter() + seconds, 0
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(dir=_memory()) as folder:
        warnings.simplefilter("ignore")
        for name, reader in known.items():
            for data in reader.files.values():  # undamaged ones first, which may compile kernels
                try_one(name, reader, data, Path(folder), outcome, slow=float("inf"))
        while (total := outcome.inputs.total()) < inputs and time.perf_counter() < end:
            name = generator.choice(names)
            files = list(known[name].files.values())
            data = mutate(generator.choice(files), files, generator)
            try_one(name, known[name], data, Path(folder), outcome)
            if report is not None and total >= said + 10_000:
                said = total
                report.write_text(describe(outcome, seed))
    return outcome


def describe(outcome: Outcome, seed: int) -> str:
    """A table of the inputs by reader, and the failures."""
    lines = [f"seed {seed}: {outcome.inputs.total():,} inputs, {len(outcome.failures)} failures", ""]
    lines.append(f"{'reader':<14}{'inputs':>10}{'read':>10}")
    lines += [f"{name:<14}{n:>10,}{outcome.read[name]:>10,}" for name, n in sorted(outcome.inputs.items())]
    for name, data, what in outcome.failures[:20]:
        lines += ["", f"{name}: {data[:300]!r}", what]
    return "\n".join(lines) + "\n"


def _memory() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=sys.maxsize)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    outcome = fuzz(options.seed, seconds=options.seconds, inputs=options.inputs, report=options.log)
    text = describe(outcome, options.seed)
    if options.log is not None:
        options.log.write_text(text)
    print(text)
    sys.exit(1 if outcome.failures else 0)


if __name__ == "__main__":
    main()
