"""MrBayes under models whose parameters it infers: chains, stepping stones, and reading what they wrote."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mrbayes.reference import read_output
from benchmarks.mrbayes.run_topologies import BURN_IN, find_mrbayes, read_sample, write_data
from vbpi_mix.phylo import Alignment, TreeSample

_NAMES = {
    "JC": (1, True), "JC69": (1, True), "F81": (1, False), "K80": (2, True), "K2P": (2, True), "HKY": (2, False),
    "HKY85": (2, False), "SYM": (6, True), "GTR": (6, False),
}  # fmt: skip
_MODEL = re.compile(r"([A-Z0-9]+)(\+I)?(\+G([0-9]*))?")
_RATES = {(False, False): "equal", (False, True): "gamma", (True, False): "propinv", (True, True): "invgamma"}
_CHARSET = re.compile(r"charset\s+(\w+)\s*=([^;]*);", re.IGNORECASE)
_RUNS = 2


@dataclass(frozen=True, kw_only=True)
class Chains:
    """Samples of every run after the burn-in.

    Arguments:
        values: of each run, (n,) by the names that MrBayes gives its parameters; TL and LnL among them.
        tree_files: a `.t` file for each run.
        seconds: wall time.
        deviation: average standard deviation of split frequencies between the runs, as MrBayes prints it.
        settings: what they were made with.
    """

    values: tuple[dict[str, np.ndarray], ...]
    tree_files: tuple[Path, ...]
    seconds: float
    deviation: float
    settings: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """Parameters that move, without likelihood and prior."""
        first = self.values[0]
        return [name for name in first if name not in ("Gen", "LnL", "LnPr") and np.ptp(first[name]) > 0]

    def sample(self, alignment: Alignment, run: int | None = None) -> TreeSample:
        """Trees of one run, or of all."""
        files = self.tree_files if run is None else self.tree_files[run : run + 1]
        return read_sample(files, alignment)


@dataclass(frozen=True, kw_only=True)
class SteppingStone:
    """The log marginal likelihood by stepping stone: of each run, and MrBayes's own mean of them."""

    runs: tuple[float, ...]
    mean: float
    seconds: float
    settings: dict[str, Any]

    @property
    def error(self) -> float:
        """Standard error of the mean, from the runs' spread; with two runs a rough one."""
        return float(np.std(self.runs, ddof=1) / np.sqrt(len(self.runs)))


def model_commands(model: str, partitions: Path | None = None) -> str:
    """MrBayes's commands for a model in IQ-TREE's notation, with MrBayes's default priors.

    Dirichlet(1,...) exchangeabilities and frequencies, Beta(1,1) on the transition's share of HKY and K80,
    Exponential(1) on the gamma shape, Uniform(0,1) on the proportion of invariant sites; but exponential branch
    lengths of rate 10 each, in place of the default gamma-Dirichlet. With a file of charsets these are parts with
    parameters of their own and a rate multiplier each, and branch lengths in common.
    """
    match = _MODEL.fullmatch(model.upper())
    if match is None or match[1] not in _NAMES:
        raise SystemExit(f"MrBayes is not told about the model {model!r}: {', '.join(_NAMES)} with +I, +G4 are known")
    states, equal = _NAMES[match[1]]
    lset = f"lset nst={states} rates={_RATES[match[2] is not None, match[3] is not None]}"
    if match[3] is not None:
        lset += f" ngammacat={match[4] or 4}"
    prior = "prset brlenspr=unconstrained:exponential(10.0) topologypr=uniform"
    if partitions is None:
        return f"{lset};\n{prior}{' statefreqpr=fixed(equal)' if equal else ''};\n"
    charsets = _charsets(partitions)
    names = ", ".join(name for name, _ in charsets)
    return (
        "".join(f"charset {name} ={sites};\n" for name, sites in charsets)
        + f"partition parts = {len(charsets)}: {names};\nset partition=parts;\n"
        + lset.replace("lset", "lset applyto=(all)")
        + ";\nunlink revmat=(all) tratio=(all) statefreq=(all) shape=(all) pinvar=(all);\n"
        + f"{prior};\nprset applyto=(all) ratepr=variable{' statefreqpr=fixed(equal)' if equal else ''};\n"
    )


def run_chains(
    alignment: Alignment,
    folder: Path,
    model: str,
    *,
    generations: int,
    sample_every: int,
    seed: int,
    reuse: bool,
    partitions: Path | None = None,
    commands: str | None = None,
    n_chains: int = 4,
) -> Chains:
    """Two runs of `n_chains` chains; with `reuse`, those of the same settings that are in the folder already.

    `commands` are MrBayes's for the model, where `model_commands` does not know it.
    """
    settings = _settings(model, partitions, commands) | {
        "generations": generations,
        "sample_every": sample_every,
        "seed": seed,
        "chains": n_chains,
    }
    command = (
        f"mcmcp ngen={generations} nruns={_RUNS} nchains={n_chains} samplefreq={sample_every} printfreq={generations} "
        f"diagnfreq={max(generations // 20, 1000)} relburnin=yes burninfrac={BURN_IN} filename=mcmc;\nmcmc;\n"
    )
    command = (commands or model_commands(model, partitions)) + command
    made = _run("mcmc", alignment, folder, settings, command, reuse=reuse)
    return Chains(
        values=tuple(read_parameters(folder / f"mcmc.run{run + 1}.p") for run in range(_RUNS)),
        tree_files=tuple(folder / f"mcmc.run{run + 1}.t" for run in range(_RUNS)),
        seconds=made["seconds"],
        deviation=made.get("asdsf_by_mrbayes", float("nan")),
        settings=settings,
    )


def run_stepping_stone(
    alignment: Alignment,
    folder: Path,
    model: str,
    *,
    generations: int,
    seed: int,
    reuse: bool,
    partitions: Path | None = None,
    commands: str | None = None,
    n_chains: int = 4,
) -> SteppingStone:
    """Two runs of 50 steps, of which the generations are the total."""
    settings = _settings(model, partitions, commands) | {"generations": generations, "seed": seed, "chains": n_chains}
    command = (
        f"ss ngen={generations} nruns={_RUNS} nchains={n_chains} samplefreq=100 printfreq={generations} filename=ss;\n"
    )
    command = (commands or model_commands(model, partitions)) + command
    made = _run("ss", alignment, folder, settings, command, reuse=reuse)
    return SteppingStone(
        runs=tuple(made["stepping_stone_runs"]),
        mean=made["stepping_stone"],
        seconds=made["seconds"],
        settings=settings,
    )


def _settings(model: str, partitions: Path | None, commands: str | None) -> dict[str, Any]:
    """What names the model; the charsets themselves, as a file may change."""
    if commands is not None:
        return {"model": model, "commands": commands}
    return {"model": model} if partitions is None else {"model": model, "charsets": _charsets(partitions)}


def _charsets(path: Path) -> list[list[str]]:
    """Name and sites of each charset of a NEXUS file."""
    return [list(found) for found in _CHARSET.findall(path.read_text(encoding="utf-8"))]


def read_parameters(path: Path, burn_in: float = BURN_IN) -> dict[str, np.ndarray]:
    """The columns of a `.p` file by name, without the first share of its rows."""
    with path.open(encoding="utf-8") as file:
        file.readline()  # the run's identity
        names = [name.removesuffix("{all}") for name in file.readline().split()]  # TL{all} where there are parts
        table = np.loadtxt(file, ndmin=2)
    table = table[int(burn_in * len(table)) :]
    return dict(zip(names, table.T, strict=True))


def _run(
    what: str, alignment: Alignment, folder: Path, settings: dict[str, Any], command: str, *, reuse: bool
) -> dict[str, Any]:
    """What MrBayes says at its end, kept in a file that says with which settings."""
    kept = folder / f"{what}.json"
    if reuse and kept.is_file():
        made = json.loads(kept.read_text(encoding="utf-8"))
        if made["settings"] == settings:
            return made
    program = find_mrbayes()
    assert program is not None
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob(f"{what}.*"),):
        old.unlink()
    write_data(alignment, folder / "data.nex")
    seed = settings["seed"]
    (folder / f"{what}.nex").write_text(
        f"set autoclose=yes nowarn=yes seed={seed} swapseed={seed};\nexecute data.nex;\n{command}quit;\n",
        encoding="utf-8",
    )
    begin = time.perf_counter()
    with (folder / f"{what}.log").open("w", encoding="utf-8") as log:
        subprocess.run([program, f"{what}.nex"], cwd=folder, stdout=log, stderr=log, check=False)
    text = (folder / f"{what}.log").read_text(encoding="utf-8", errors="replace")
    made = {"settings": settings, "seconds": time.perf_counter() - begin, **read_output(text)}
    if (what == "ss") != ("stepping_stone" in made) or "Error" in text:
        raise SystemExit(f"MrBayes failed: see {folder / f'{what}.log'}")
    kept.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return made
