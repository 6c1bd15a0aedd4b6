"""Credible levels, sets and the most probable topology of a run against a long reference posterior of topologies.

    vbpi-mix fit DS1 -o DS1_run --model JC69
    python -m benchmarks.questions.golden DS1_run POSTERIORS/DS1.golden.topologies.tsv.gz \
        -o benchmarks/results/questions/DS1.json

The reference gives each topology a probability. If the run's credible levels are right, a tree of the reference lies in
the set of level L with probability L: what is printed is the mass in the reference of topologies whose randomised level
is at most L, in closed form, and the largest difference from L over all L.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from vbpi_mix.analysis.questions import Posterior
from vbpi_mix.evaluate.distances.topologies import credible_size
from vbpi_mix.experiment.run import Run
from vbpi_mix.io.trees import read_trees
from vbpi_mix.posterior.questions.centre import most_probable
from vbpi_mix.posterior.questions.credible import credible_sets
from vbpi_mix.provenance import describe

LEVELS = (0.5, 0.95, 0.99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    begin = time.process_time()
    run = Run.load(options.run)
    posterior = Posterior(run, run.weighted_sample(n_repeats=options.repeats))
    draws, scores = posterior.draws, posterior.scores
    reference = read_trees([options.reference], posterior.taxa)
    p = reference.probabilities()
    theirs = posterior.rank(reference.topologies)
    order = np.argsort(-scores)
    ladder = np.concatenate([[0.0], np.cumsum(draws.probability[order])])
    sorted_scores = -scores[order]
    better = ladder[np.searchsorted(sorted_scores, -theirs, side="left")]
    equal = ladder[np.searchsorted(sorted_scores, -theirs, side="right")] - better

    def below(level: float) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(equal > 0, (level - better) / equal, better <= level)
        return float(p @ np.clip(part, 0.0, 1.0))

    grid = np.linspace(0.001, 0.999, 999)
    apart = [below(float(x)) - float(x) for x in grid]
    best = most_probable(draws, posterior.rank).topology
    ours = credible_sets(draws, scores)
    golden_best = reference.topologies.children[int(p.argmax())]
    result = {
        "provenance": describe(),
        "run": options.run.name,
        "reference": options.reference.name,
        "annealed": run.annealed is not None,
        "effective_size": draws.effective_size,
        "reference_mass_in_set": {str(level): below(level) for level in LEVELS},
        "largest_difference": max(abs(x) for x in apart),
        "reference_mass_not_drawn": float(p[equal == 0].sum()),
        "sets": {str(s.level): {"ours": s.n_topologies, "reference": credible_size(p, s.level)} for s in ours},
        "most_probable_equal": bool((best.children == golden_best).all()),
        "rank_of_ours_in_reference": int(
            np.flatnonzero((reference.topologies.children == best.children).all(axis=(1, 2)))[0] + 1
        ),
        "processor_seconds": time.process_time() - begin,
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "provenance"}, indent=2))


if __name__ == "__main__":
    main()
