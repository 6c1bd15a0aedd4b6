"""Fits of many taxa beside MrBayes: time from the alignment on, coverage of the truth, distances.

`python -m benchmarks.large.versus_mrbayes --taxa 50 100 --generations 300000 1000000 -o FILE`
`python -m benchmarks.large.versus_mrbayes --taxa 500 1000 --no-mrbayes -o FILE`
`python -m benchmarks.large.versus_mrbayes --alignments FILE... --model GTR+G4 --generations 1000000 -o FILE`

Simulated alignments (`simulate`) or given ones, HKY or GTR+G4 with all parameters inferred, exponential(10) branches,
both programs from the same sites one after the other on the same cores. Times are those of the whole processes, wall
clock and processor; MrBayes's time to ASDSF 0.01 is its time times the share of the generations that it took to get
there. `--processes 2 --program PATH` gives both cores to a MrBayes built with MPI; Debian's `mb-mpi` is not
(`findings/debian_mrbayes_mpi.sh`). Skips MrBayes with a message where it is not installed. In single precision, its
default, chains of 250 taxa froze at likelihoods that were thousands of nats too high; double precision takes as long.
The gate: log-likelihoods that MrBayes reports are those of our kernels.
"""

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import final_log_ml
from benchmarks.large.scores import Trees, apart, coverage
from benchmarks.large.simulate import simulate
from vbpi_mix import provenance
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.tree_lengths import read_trees_with_lengths
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import DNA, Alignment, site_patterns

ASDSF = 0.01
MODELS = {
    "HKY": "lset nst=2 rates=equal;",
    "HKY+G4": "lset nst=2 rates=gamma;\nprset shapepr=exponential(1.0);",
    "GTR+G4": "lset nst=6 rates=gamma;\nprset shapepr=exponential(1.0);",
}
_RATES = ("A<->C", "A<->G", "A<->T", "C<->G", "C<->T", "G<->T")
_SCRIPT = """#NEXUS
begin data;
dimensions ntax={n_taxa} nchar={n_sites};
format datatype=dna gap=- missing=?;
matrix
{matrix}
;
end;
begin mrbayes;
set autoclose=yes nowarn=yes beagleprecision=double seed={seed} swapseed={seed};
{model}
prset brlenspr=unconstrained:exp(10);
mcmcp ngen={generations} samplefreq={every} printfreq={report} diagnfreq={look} nruns=2 nchains=4 file=mb{stop};
mcmc;
end;
"""


def timed(command: list[str], folder: Path, log: Path) -> tuple[float, float]:
    """Wall-clock and processor seconds of a command."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with log.open("w") as file:
        subprocess.run(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, used


def ours(alignment: Path, folder: Path, seed: int, model: str) -> dict[str, Any]:
    """Fit, and what came out."""
    run = folder / "run"
    command = [sys.executable, "-m", "vbpi_mix", "fit", str(alignment), "-o", str(run), "--model", model]
    wall, cpu = timed([*command, "--seed", str(seed)], folder, folder / "fit.log")
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    evaluation = json.loads((run / "evaluation.json").read_text())
    return {"wall_s": wall, "cpu_s": cpu, "memory_gb": memory, "evaluation": evaluation, "run": run}


def mrbayes(
    alignment: Alignment,
    folder: Path,
    generations: int,
    seed: int,
    model: str = "HKY",
    processes: int = 1,
    program: str = "mb",
    stop: bool = False,
) -> dict[str, Any]:
    """Two runs of four chains, on so many cores, and the time they took to agree; with `stop` they end there."""
    characters = DNA.characters(alignment.state_sets, missing="?")
    rows = [f"{name} {''.join(row)}" for name, row in zip(alignment.taxa, characters, strict=True)]
    text = _SCRIPT.format(
        n_taxa=alignment.n_taxa, n_sites=alignment.n_sites, matrix="\n".join(rows), seed=seed, generations=generations,
        model=MODELS[model],
        every=max(100, generations // 3000), report=generations // 10, look=max(5000, generations // 100),
        stop=f" stoprule=yes stopval={ASDSF}" if stop else "",
    )  # fmt: skip
    (folder / "mb.nex").write_text(text)
    wall, cpu = timed([*command_of(program, processes), "mb.nex"], folder, folder / "mb.log")
    if processes > 1 and "remote chains" not in (folder / "mb.log").read_text():
        raise SystemExit(f"{program} has not been built with MPI: each process did the whole analysis")
    table = [line.split("\t") for line in (folder / "mb.mcmc").read_text().splitlines() if not line.startswith("[")]
    column = next(i for i, name in enumerate(table[0]) if name.startswith("AvgStdDev"))
    looks = [(int(row[0]), float(row[column])) for row in table[1:] if re.fullmatch(r"[0-9.e+-]+", row[column])]
    return {
        "wall_s": wall, "cpu_s": cpu, "processes": processes, "generations": looks[-1][0], "asdsf": looks[-1][1],
        "cpu_s_to_asdsf": seconds_to(ASDSF, looks, cpu), "wall_s_to_asdsf": seconds_to(ASDSF, looks, wall),
        "looks": looks,
    }  # fmt: skip


def command_of(program: str, processes: int) -> list[str]:
    """MrBayes's command: the program itself, or as many processes by MPI."""
    if processes == 1:
        return [program]
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(processes), program]


def seconds_to(asdsf: float, looks: list[tuple[int, float]], seconds: float) -> float | None:
    """Seconds until both runs were so close, of those of the whole chains; None if they never were.

    Arguments:
        asdsf: wanted.
        looks: generation and ASDSF of every look.
        seconds: of all generations, the last look among them.
    """
    reached = next((generation for generation, value in looks if value <= asdsf), None)
    return None if reached is None else reached / looks[-1][0] * seconds


def trees_of(paths: list[Path], alignment: Alignment, burn_in: float = 0.0) -> Trees:
    """The trees of some files."""
    found = read_trees_with_lengths(paths, alignment.taxa, burn_in=burn_in)
    return Trees(taxa=alignment.taxa, topologies=found.topologies, branch_lengths=found.branch_lengths)


def check_likelihoods(folder: Path, alignment: Alignment, model: str) -> None:
    """Hold log-likelihoods in MrBayes's table against ours, on the last tree of its first run."""
    lines = [line.split("\t") for line in (folder / "mb.run1.p").read_text().splitlines()[1:]]
    header, last = lines[0], lines[-1]
    values = dict(zip(header, last, strict=True))
    tree = trees_of([folder / "mb.run1.t"], alignment)
    frequencies = ",".join(values[f"pi({s})"] for s in "ACGT")
    if model == "HKY":
        text = f"HKY{{{values['kappa']}}}+F{{{frequencies}}}"
    else:
        text = f"GTR{{{','.join(values[f'r({r})'] for r in _RATES)}}}+F{{{frequencies}}}+G4{{{values['alpha']}}}"
    here = PhyloModel(site_patterns(alignment), alignment.n_taxa, substitution_model=text)
    found = here.log_likelihood(torch.from_numpy(tree.branch_lengths[-1:]), tree.topologies[-1:]).item()
    given = values.get("LnL") or values["lnLike"]  # 3.2.7a and later ones
    if abs(found - float(given)) > 0.5:  # its files have few digits
        raise SystemExit(f"log-likelihoods differ: {found} here, {given} by MrBayes")


def compare(
    path: Path,
    truth_path: Path | None,
    folder: Path,
    *,
    seed: int,
    model: str,
    generations: int,
    processes: int,
    program: str = "mb",
) -> dict[str, Any]:
    """Fit one alignment by both programs, MrBayes on so many cores (0: not at all).

    Without a true tree nothing is said of coverage.
    """
    alignment = read_alignment(path)
    truth = None if truth_path is None else trees_of([truth_path], alignment)
    fit = ours(path, folder, seed, model)
    trees = trees_of([fit["run"] / "posterior" / "sample.trees"], alignment)
    evaluation = fit["evaluation"]
    annealing = evaluation.get("annealing", {})
    value, error = final_log_ml(evaluation)
    record: dict[str, Any] = {
        "alignment": path.stem, "taxa": alignment.n_taxa, "model": model, "seed": seed,
        "wall_s": fit["wall_s"], "cpu_s": fit["cpu_s"],
        "memory_gb": fit["memory_gb"], "coverage": None if truth is None else coverage(trees.few(500), truth),
        "finish": evaluation["finish"], "log_ml": value, "log_ml_se": error,
        "converged": annealing.get("converged"),
    }  # fmt: skip
    if processes:
        record["mrbayes"] = mrbayes(alignment, folder, generations, seed, model, processes, program)
        check_likelihoods(folder, alignment, model)
        runs = [trees_of([folder / f"mb.run{i}.t"], alignment, 0.25) for i in (1, 2)]
        both = trees_of([folder / f"mb.run{i}.t" for i in (1, 2)], alignment, 0.25)
        record["mrbayes"]["coverage"] = None if truth is None else coverage(both.few(500), truth)
        record["to_mrbayes"] = apart(trees, both)
        record["mrbayes_runs"] = apart(runs[0], runs[1])
        looks, seconds = record["mrbayes"].pop("looks"), record["mrbayes"]["cpu_s"]
        sides = annealing.get("convergence", {}).get("asdsf")
        as_ours = None if sides is None else seconds_to(sides, looks, seconds)
        record["mrbayes"]["cpu_s_to_asdsf_of_fit"] = as_ours
        for clock in ("cpu", "wall"):
            to_agree = record["mrbayes"][f"{clock}_s_to_asdsf"]
            record[f"{clock}_ratio"] = None if to_agree is None else to_agree / fit[f"{clock}_s"]
        record["cpu_ratio_at_asdsf_of_fit"] = None if as_ours is None else as_ours / fit["cpu_s"]
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--taxa", type=int, nargs="+", default=[50])
    parser.add_argument("--alignments", type=Path, nargs="+", help="of nucleotides, in place of simulated ones")
    parser.add_argument("--generations", type=int, nargs="+", default=[300_000], help="of MrBayes, one for each size")
    parser.add_argument("--model", choices=MODELS, default="HKY")
    parser.add_argument("--processes", type=int, default=1, help="of MrBayes; two have a run each")
    parser.add_argument("--program", default="mb", help="MrBayes; with several processes one built with MPI")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--no-mrbayes", action="store_true")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    processes = 0 if options.no_mrbayes else options.processes
    if processes and shutil.which(options.program) is None:
        print(f"without MrBayes: {options.program} is not installed")
        processes = 0
    cases: list[Path | int] = options.alignments or options.taxa
    generations = (options.generations * len(cases))[: len(cases)]
    records = []
    for case, length in zip(cases, generations, strict=True):
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                path, truth = simulate(case, seed, folder) if isinstance(case, int) else (case.resolve(), None)
                record = compare(
                    path,
                    truth,
                    folder,
                    seed=seed,
                    model=options.model,
                    generations=length,
                    processes=processes,
                    program=options.program,
                )
                records.append(record)
                print(json.dumps(record), flush=True)
                options.output.write_text(
                    json.dumps({"provenance": provenance.describe(), "rows": records}, indent=2) + "\n"
                )
    for clock, what in (("cpu", "processor"), ("wall", "wall-clock")):
        ratios = [r[f"{clock}_ratio"] for r in records if r.get(f"{clock}_ratio")]
        if ratios:
            print(f"MrBayes to ASDSF {ASDSF} / ours, {what} time: median {np.median(ratios):.2f}")


if __name__ == "__main__":
    main()
