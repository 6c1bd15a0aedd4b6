"""Parameters of substitution models, tree length, splits and evidence beside MrBayes on the same alignment and priors.

    python -m benchmarks.mrbayes.parameters compare primates:GTR+G4 DS1:HKY+G4
    python -m benchmarks.mrbayes.parameters compare primates:HKY+G4 --partitions benchmarks/mrbayes/primates_codons.nex
    python -m benchmarks.mrbayes.parameters rank primates

`compare` writes a table of every parameter (mean, 95 % interval, MrBayes's Monte-Carlo error), of the largest
difference of a split frequency, and of the evidence against stepping stone. `rank` puts the evidence of six models
beside that of stepping stone. Priors are MrBayes's defaults, but exponential(10) branch lengths. Every row goes to a
JSON file in `results/parameters/`, and the table beside it as Markdown. MrBayes's files stay in --work; --reuse takes
those of an earlier call with the same settings. Without `mb` on PATH (Debian: apt-get install mrbayes) nothing is run.
"""

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import RESULTS_FOLDER, final_log_ml, write_json_lines
from benchmarks.mrbayes.chain_summary import summarise_chains
from benchmarks.mrbayes.parameters_table import comparison_table, ranking_table
from benchmarks.mrbayes.run_models import Chains, SteppingStone, run_chains, run_stepping_stone
from benchmarks.mrbayes.run_topologies import find_mrbayes
from vbpi_mix.analysis import summarise
from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.experiment import FitConfig, fit_folder, make_config
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.datasets import resolve
from vbpi_mix.io.split_tables import read_splits
from vbpi_mix.phylo import Alignment
from vbpi_mix.phylo.distances import split_frequencies

RANKED = ("JC69", "HKY", "HKY+G4", "GTR", "GTR+G4", "GTR+I+G4")
Row = dict[str, Any]


def ours(data: str, model: str, options: argparse.Namespace) -> Path:
    """The folder of a finished fit; with --reuse one that is there already."""
    folder = options.work / _name(data, model, options) / "ours"
    if options.reuse and (folder / "evaluation.json").is_file():
        return folder
    config = make_config(
        alignment=str(resolve(data)),
        partitions=None if options.partitions is None else str(options.partitions.resolve()),
        model=model,
        seed=options.seed,
        components=options.components,
        iterations=options.iterations,
    )
    timed_fit(config, folder, quiet=options.quiet)
    return folder


def timed_fit(config: FitConfig, folder: Path, *, quiet: bool) -> None:
    """Fit and summarise; the seconds that both took are in `seconds.json`."""
    begin = time.perf_counter()
    with ConsoleReporter(quiet=quiet) as reporter:
        run, _ = fit_folder(config, folder, reporter=reporter)
        summarise(run, reporter=reporter)
    (folder / "seconds.json").write_text(json.dumps(time.perf_counter() - begin), encoding="utf-8")


def our_parameters(folder: Path) -> dict[str, dict[str, float]]:
    """`posterior/parameters.tsv` by name, ends of the interval as low and high; none where nothing is inferred."""
    path = folder / "posterior" / "parameters.tsv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{key.lower(): value for key, value in row.items()} for row in csv.DictReader(file, delimiter="\t")]
    found = {}
    for row in rows:
        name = row.pop("name", None) or row.pop("parameter")
        values = {key: float(value) for key, value in row.items()}
        ends = {end: next(v for k, v in values.items() if end in k) for end in ("low", "high")}
        found[name] = values | ends
    return found


def our_evidence(folder: Path) -> dict[str, float]:
    values = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    seconds = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))
    value, error = final_log_ml(values)
    return {
        "log_evidence": value,
        "error": error,
        "pareto_k": values["pareto_k"],
        "ess": values["ess"],
        "seconds": seconds,
    }


def parameter_rows(chains: Chains, folder: Path | None) -> list[Row]:
    """A row for every parameter of either program."""
    found = our_parameters(folder) if folder is not None else {}
    rows = []
    for name in [*chains.names, *(name for name in found if name not in chains.names)]:
        row: Row = {"what": "parameter", "name": name}
        if name in chains.names:
            theirs = summarise_chains([values[name] for values in chains.values])
            row["mrbayes"] = theirs.to_dict()
        if name in found:
            row["ours"] = found[name]
        if "mrbayes" in row and "ours" in row:
            difference = row["ours"]["mean"] - row["mrbayes"]["mean"]
            row["difference_in_sd"] = difference / row["mrbayes"]["sd"]
            row["difference_in_errors"] = difference / row["mrbayes"]["error"]
            row["ends_in_sd"] = [
                (row["ours"][end] - row["mrbayes"][end]) / row["mrbayes"]["sd"] for end in ("low", "high")
            ]
        rows.append(row)
    return rows


def split_row(chains: Chains, alignment: Alignment, folder: Path | None) -> Row:
    """The largest difference of a split frequency: between MrBayes's runs, and to ours."""
    runs = [chains.sample(alignment, run) for run in range(len(chains.tree_files))]
    first, second = (split_frequencies(run.topologies, run.weights) for run in runs)
    pooled = chains.sample(alignment)
    theirs = split_frequencies(pooled.topologies, pooled.weights)
    row: Row = {
        "what": "splits",
        "n_splits": len(theirs),
        "largest_between_runs": _largest(first, second),
        "deviation_of_split_frequencies": chains.deviation,
    }
    if folder is not None:
        clades, probability = read_splits(folder / "posterior" / "splits.tsv", alignment.taxa)
        mine = {np.ascontiguousarray(c).tobytes(): float(p) for c, p in zip(clades, probability, strict=True)}
        row["largest"] = _largest(mine, theirs)
    return row


def evidence_row(model: str, stone: SteppingStone, folder: Path | None) -> Row:
    row: Row = {
        "what": "evidence",
        "model": model,
        "mrbayes": {"mean": stone.mean, "runs": stone.runs, "error": stone.error, "seconds": stone.seconds},
    }
    if folder is not None:
        found = our_evidence(folder)
        row["ours"] = found
        row["difference"] = found["log_evidence"] - stone.mean
        row["difference_in_errors"] = row["difference"] / float(np.hypot(found["error"], stone.error))
    return row


def compare(data: str, model: str, options: argparse.Namespace) -> list[Row]:
    alignment = read_alignment(resolve(data))
    work = options.work / _name(data, model, options)
    print(f"{data}, {model}: MrBayes, {options.generations:,} generations", flush=True)
    chains = run_chains(
        alignment,
        work,
        model,
        generations=options.generations,
        sample_every=options.sample_every,
        seed=options.seed,
        reuse=options.reuse,
        partitions=options.partitions,
    )
    stone = None if options.no_stone else _stone(alignment, data, model, options)
    folder = None if options.mrbayes_only else ours(data, model, options)
    settings = {"what": "mrbayes", "data": data, "model": model, "seconds": chains.seconds, **chains.settings}
    return [
        settings,
        *parameter_rows(chains, folder),
        split_row(chains, alignment, folder),
        *([] if stone is None else [evidence_row(model, stone, folder)]),
    ]


def rank(data: str, options: argparse.Namespace) -> list[Row]:
    """Evidence of the six models, with their posterior probabilities under equal prior ones."""
    alignment = read_alignment(resolve(data))
    rows = []
    for model in options.models:
        stone = _stone(alignment, data, model, options)
        folder = None if options.mrbayes_only else ours(data, model, options)
        rows.append(evidence_row(model, stone, folder))
    for side, key in (("mrbayes", "mean"), ("ours", "log_evidence")):
        if all(side in row for row in rows):
            logs = np.array([row[side][key] for row in rows])
            shares = np.exp(logs - np.logaddexp.reduce(logs))
            for row, share, place in zip(rows, shares, np.argsort(np.argsort(-logs)), strict=True):
                row[side] |= {"probability": float(share), "place": int(place) + 1}
    return rows


def _stone(alignment: Alignment, data: str, model: str, options: argparse.Namespace) -> SteppingStone:
    print(f"{data}, {model}: stepping stone, {options.stone_generations:,} generations", flush=True)
    return run_stepping_stone(
        alignment,
        options.work / _name(data, model, options),
        model,
        generations=options.stone_generations,
        seed=options.seed,
        reuse=options.reuse,
        partitions=options.partitions,
    )


def _name(data: str, model: str, options: argparse.Namespace, *, separator: str = ".") -> str:
    parts = [] if options.partitions is None else [options.partitions.stem]
    return separator.join([Path(data).stem, model, *parts])


def _largest(first: dict[bytes, float], second: dict[bytes, float]) -> float:
    return max(abs(first.get(key, 0.0) - second.get(key, 0.0)) for key in first.keys() | second.keys())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compare", "rank"))
    parser.add_argument("tasks", nargs="*", help="DATA:MODEL for compare, DATA for rank")
    parser.add_argument("--models", nargs="+", default=RANKED, help="of rank")
    parser.add_argument("--generations", type=int, default=1_000_000)
    parser.add_argument("--sample-every", type=int, default=100)
    parser.add_argument(
        "--stone-generations", type=int, default=1_020_000, help="of a stepping stone, all steps together"
    )
    parser.add_argument("--no-stone", action="store_true", help="compare without stepping stone and evidence")
    parser.add_argument("--mrbayes-only", action="store_true")
    parser.add_argument("--reuse", action="store_true", help="take what an earlier call left in --work")
    parser.add_argument("--partitions", type=Path, help="NEXUS file of charsets: each a part with its own parameters")
    parser.add_argument("--components", type=int)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("parameters_mrbayes"), help="folder for the files of both")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "parameters")
    options = parser.parse_args()
    if find_mrbayes() is None:
        print("skipped: MrBayes' program mb is not on PATH (Debian, Ubuntu: apt-get install mrbayes)")
        return
    set_threads(options.threads)
    torch.set_num_threads(1)
    tasks = options.tasks or {"compare": ["primates:GTR+G4", "DS1:HKY+G4"], "rank": ["primates"]}[options.what]
    for task in tasks:
        if options.what == "compare":
            data, model = task.rsplit(":", 1)
            rows, name = compare(data, model, options), _name(data, model, options)
            table = comparison_table(_name(data, model, options, separator=", "), rows)
        else:
            rows, name = rank(task, options), f"{Path(task).stem}.ranking"
            table = ranking_table(Path(task).stem, rows)
        write_json_lines(options.output / f"{name}.seed{options.seed}.jsonl", rows)
        (options.output / f"{name}.seed{options.seed}.md").write_text(table, encoding="utf-8")
        print(table, flush=True)


if __name__ == "__main__":
    main()
