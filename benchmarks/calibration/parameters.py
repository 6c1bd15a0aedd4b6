"""Do intervals of substitution parameters hold the truth as often as they say? Simulation-based calibration.

    python -m benchmarks.calibration.parameters run --replicates 50
    python -m benchmarks.calibration.parameters show

Tree, branch lengths and parameters of GTR+I+G4 are drawn from their priors, an alignment from the model, and each
alignment is fitted with the same model and priors. Then the posterior is calibrated exactly, whatever the data (Cook,
Gelman & Rubin, J. Comput. Graph. Stat. 15, 2006): an interval that holds 95 % of it holds the truth with probability
0.95, and the rank of the truth among posterior draws is uniform. Everything is read off equally weighted draws after
sampling-importance-resampling, as `vbpi-mix export` writes them.

`run` appends one line per alignment to a file and goes on where it stopped; alignments and truths lie in --work.
`show` prints the table and writes it as summary.json and table.md beside that file.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from scipy import stats

import vbpi_mix as vm
from benchmarks._common import RESULTS_FOLDER, print_table
from benchmarks.calibration.ranks import MASSES, Row, append_rows, judge, read_rows
from benchmarks.calibration.simulate_model import PARAMETERS, draw_truth, simulate_model
from vbpi_mix.experiment import FitConfig
from vbpi_mix.io.alignments import write_fasta
from vbpi_mix.posterior import PosteriorDraws

RESULTS = RESULTS_FOLDER / "calibration" / "calibration.jsonl"
MODEL = "GTR+I+G4"
TREE_LENGTH = "TL"
FEWEST_TAXA, MOST_TAXA = 6, 8
SETTINGS = ("sites", "iterations", "components", "particles", "trees", "oversampling")
INTERVALS = [f"{kind}_{mass}" for mass in MASSES for kind in ("central", "shortest")]
RANKS = 10


def one(replicate: int, options: argparse.Namespace) -> Row:
    """Simulate, fit, and find the truth among the draws."""
    generator = np.random.default_rng(np.random.SeedSequence(entropy=20262, spawn_key=(replicate,)))
    truth = draw_truth(
        int(generator.integers(FEWEST_TAXA, MOST_TAXA + 1)), generator, mean_length=1 / FitConfig.branch_prior_rate
    )
    alignment = simulate_model(truth.model(), truth.topology, truth.branch_lengths, options.sites, generator)
    folder = options.work / f"{replicate:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    write_fasta(alignment, folder / "alignment.fasta")
    values = truth.parameters | {TREE_LENGTH: float(truth.branch_lengths.sum())}
    tree = truth.topology.newick(alignment.taxa, truth.branch_lengths.tolist())
    (folder / "truth.json").write_text(json.dumps({"tree": tree, **values}, indent=2) + "\n", encoding="utf-8")
    begin = time.perf_counter()
    config = vm.make_config(
        alignment=str(folder / "alignment.fasta"),
        model=MODEL,
        iterations=options.iterations,
        components=options.components,
        particles=options.particles,
        seed=replicate,
    )
    candidates = vm.veryfasttree_bootstrap(alignment, config.bootstrap_replicates, seed=replicate, n_threads=1)
    fitted = vm.fit_alignment(alignment, candidates, config)
    seconds = time.perf_counter() - begin
    sample = fitted.sample(options.trees, oversampling=options.oversampling)
    evaluation = fitted.evaluate(n_particles=1000, n_repeats=5).to_dict()
    topologies = sample.topologies.children.reshape(sample.n_trees, -1)
    return {
        "replicate": replicate,
        "taxa": alignment.n_taxa,
        "seconds": round(seconds, 2),
        "ess": evaluation["ess"],
        "draws": evaluation["n_samples"],
        "pareto_k": evaluation["pareto_k"],
        "topology_probability": float((topologies == truth.topology.children.reshape(-1)).all(axis=1).mean()),
        "truth": values,
        "judged": judge_all(sample, values, generator),
    }


def judge_all(sample: PosteriorDraws, truth: dict[str, float], generator: np.random.Generator) -> Row:
    """For every parameter and the tree length the rank of the truth and the intervals that hold it.

    Arguments:
        sample: equally weighted draws, with their parameters.
        truth: values by name, those of `PARAMETERS` and TL.
        generator: breaks ties of ranks.
    """
    columns = dict(zip(sample.parameter_names, np.asarray(sample.parameters).T, strict=True))
    columns[TREE_LENGTH] = sample.branch_lengths.sum(axis=1)
    return {name: judge(columns[name], truth[name], generator) for name in (*PARAMETERS, TREE_LENGTH)}


def summarise(rows: list[Row]) -> list[Row]:
    """For each parameter: share of truths held with its binomial error, and how uniform the ranks are.

    `uniform` is the p-value of the exact Kolmogorov-Smirnov test; of 13 parameters the smallest is below 0.0038 once
    in twenty times where all is well.
    """
    table = []
    for name in (*PARAMETERS, TREE_LENGTH):
        judged = [row["judged"][name] for row in rows]
        ranks = np.array([x["rank"] for x in judged])
        line: Row = {"of": name, "n": len(judged)}
        for key in INTERVALS:
            kind, mass = key.rsplit("_", 1)
            share, error = float(np.mean([x[key] for x in judged])), binomial_error(float(mass), len(judged))
            line[f"{float(mass):.0%} {kind}"] = share
            line[f"z {float(mass):.0%} {kind}"] = (share - float(mass)) / error
        line["mean rank"] = float(ranks.mean())
        line["uniform"] = float(stats.kstest(ranks, "uniform").pvalue)
        line["counts"] = np.histogram(ranks, bins=RANKS, range=(0, 1))[0].tolist()
        table.append(line)
    return table


def overall(rows: list[Row], key: str) -> dict[str, float]:
    """Share held over all parameters, with an error from the spread between alignments."""
    mass = float(key.rsplit("_", 1)[1])
    shares = np.array([np.mean([x[key] for x in row["judged"].values()]) for row in rows])
    error = max(float(np.std(shares) / np.sqrt(len(rows))), binomial_error(mass, len(rows) * len(rows[0]["judged"])))
    return {"held": float(shares.mean()), "error": error, "z": (float(shares.mean()) - mass) / error}


def binomial_error(p: float, n: int) -> float:
    """Standard error of a share of n that is p in truth."""
    return float(np.sqrt(p * (1 - p) / n))


def show(path: Path) -> None:
    """Print the table, and write summary.json and table.md."""
    rows = read_rows(path)
    table = summarise(rows)
    summary = {
        "alignments": len(rows),
        "binomial_error_of_95_percent": binomial_error(0.95, len(rows)),
        "median_seconds": float(np.median([row["seconds"] for row in rows])),
        "median_ess_share": float(np.median([row["ess"] / row["draws"] for row in rows])),
        "smallest_ess_share": float(np.min([row["ess"] / row["draws"] for row in rows])),
        "largest_pareto_k": float(np.max([row["pareto_k"] for row in rows])),
        "smallest_p_of_uniformity": min(line["uniform"] for line in table),
        "all parameters": {key: overall(rows, key) for key in INTERVALS},
        "parameters": table,
    }
    columns = ["of", "n", *(f"{float(k.rsplit('_', 1)[1]):.0%} {k.rsplit('_', 1)[0]}" for k in INTERVALS)]
    columns += ["mean rank", "uniform"]
    cells = [[f"{line[c]:.3f}" if isinstance(line[c], float) else str(line[c]) for c in columns] for line in table]
    print_table([dict(zip(columns, row, strict=True)) for row in cells], columns)
    for key in INTERVALS:
        held = summary["all parameters"][key]
        print(f"all parameters, {key}: {held['held']:.3f} ± {held['error']:.3f}")
    for name, value in summary.items():
        if isinstance(value, int | float):
            print(f"{name}: {value:.4g}")
    path.with_name("summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *(f"| {' | '.join(row)} |" for row in cells)]
    note = f"{len(rows)} alignments: the binomial error of a share of 95 % is {binomial_error(0.95, len(rows)):.3f}."
    path.with_name("table.md").write_text("\n".join([*lines, "", note, ""]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "show"))
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of one line per alignment")
    parser.add_argument("--work", type=Path, default=Path("calibration"), help="folder for alignments and truths")
    parser.add_argument("--replicates", type=int, default=50, help="alignments in all")
    parser.add_argument("--sites", type=int, default=800)
    parser.add_argument("--iterations", type=int, help="the default recipe's if not given")
    parser.add_argument("--components", type=int, default=FitConfig.components)
    parser.add_argument("--particles", type=int, default=FitConfig.particles)
    parser.add_argument("--trees", type=int, default=4000, help="resampled draws")
    parser.add_argument("--oversampling", type=int, default=20, help="draws from the mixture per resampled one")
    parser.add_argument("--max-seconds", type=float, default=float("inf"), help="begin no alignment after that time")
    options = parser.parse_args()
    if options.what == "show":
        show(options.output)
    else:
        append_rows(options, {name: getattr(options, name) for name in SETTINGS}, one)


if __name__ == "__main__":
    main()
