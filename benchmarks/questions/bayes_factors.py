"""Bayes factors of monophyly: one free fit, pairs of constrained fits, and MrBayes's constrained stepping stones.

    python -m benchmarks.questions.bayes_factors data/examples/primates.nex \
        --stones benchmarks/results/questions/primates_stones.jsonl -o benchmarks/results/questions/primates.json

The record of `benchmarks.questions.mrbayes_stones` says which hypotheses. Log Bayes factors of a clade against its
absence: by the share of one free fit, by the marginal likelihoods of two constrained fits, and by MrBayes, whose error
is that of the mean over its runs.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np

from vbpi_mix.analysis.constrained import answer_from
from vbpi_mix.analysis.questions import Posterior
from vbpi_mix.experiment import fit_alignment, make_config
from vbpi_mix.experiment.candidates import load_candidates
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.experiment.run import Run
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.constraint_files import constraint_statement
from vbpi_mix.io.datasets import resolve
from vbpi_mix.io.labels import TaxonLabels
from vbpi_mix.phylo import Alignment, TreeSample
from vbpi_mix.phylo.constraints import clade_constraint
from vbpi_mix.provenance import describe


def stones(path: Path) -> dict[str, dict[str, list[float]]]:
    """Log marginal likelihoods of single runs, by clade and kind of constraint."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in path.read_text().splitlines()[1:]:
        row = json.loads(line)
        found.setdefault(row["clade"], {}).setdefault(row["kind"], []).extend(row["stepping_stone_runs"])
    return found


def fitted(
    alignment: Alignment, candidates: TreeSample, constraints: tuple[str, ...], options: argparse.Namespace
) -> Run:
    config = make_config(
        alignment=options.alignment,
        model="JC69",
        iterations=options.iterations,
        seed=options.seed,
        constraints=constraints,
    )
    return fit_alignment(alignment, candidates, config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("alignment")
    parser.add_argument("--stones", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.process_time()
    alignment = read_alignment(resolve(options.alignment))
    labels = TaxonLabels(alignment.taxa)
    plain = make_config(alignment=options.alignment, model="JC69", seed=options.seed)
    candidates = load_candidates(plain, alignment, Silent())
    free = fitted(alignment, candidates, (), options)
    posterior = Posterior(free, free.weighted_sample(n_repeats=options.repeats))
    free_ml = posterior.sample.evaluation.marginal_likelihood
    rows = []
    for clade, runs in stones(options.stones).items():
        members = [i for i in map(labels.find, clade.split(",")) if i is not None]
        answer = posterior.ask(clade_constraint(alignment.taxa, members))
        each = []
        for constraint in (answer.hypotheses[0], answer.hypotheses[0].negated()):
            run = fitted(alignment, candidates, (constraint_statement(constraint),), options)
            each.append(run.evaluate(n_repeats=options.repeats).marginal_likelihood)
        pair = answer_from(answer, *each)
        theirs = {kind: (float(np.mean(x)), float(np.std(x, ddof=1) / math.sqrt(len(x)))) for kind, x in runs.items()}
        mb, mb_error = theirs["hard"][0] - theirs["negative"][0], math.hypot(theirs["hard"][1], theirs["negative"][1])
        # what the two marginal likelihoods say of the unconstrained one
        parts = [each[0].value + math.log(answer.prior), each[1].value + math.log1p(-answer.prior)]
        row = {
            "clade": clade,
            "prior": answer.prior,
            "free_fit": {
                "probability": answer.posterior.value,
                "se": answer.posterior.standard_error,
                "resolved": answer.posterior.resolved,
                "log_bf": answer.factor.log,
                "log_bf_se": answer.factor.standard_error,
                "log_bf_low": answer.factor.low,
                "log_bf_high": answer.factor.high,
            },
            "constrained_fits": {
                "log_ml_with": each[0].value,
                "log_ml_with_se": each[0].standard_error,
                "log_ml_without": each[1].value,
                "log_ml_without_se": each[1].standard_error,
                "log_bf": pair.factor.log,
                "log_bf_se": pair.factor.standard_error,
                "probability": pair.posterior.value,
                "log_ml_of_both": float(np.logaddexp(*parts)),
            },
            "mrbayes": {
                "log_ml_with": theirs["hard"],
                "log_ml_without": theirs["negative"],
                "log_bf": mb,
                "log_bf_se": mb_error,
                "runs": len(runs["hard"]),
            },
            "apart_in_standard_errors": (pair.factor.log - mb) / math.hypot(pair.factor.standard_error, mb_error),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    result = {
        "provenance": describe(),
        "alignment": options.alignment,
        "iterations": options.iterations,
        "log_ml_free": free_ml.value,
        "log_ml_free_se": free_ml.standard_error,
        "hypotheses": rows,
        "processor_seconds": time.process_time() - begin,
    }
    text = json.dumps(result, indent=2).replace("-Infinity", "null").replace("Infinity", "null")
    options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
