"""How long the presence of a split stays correlated in chains, with and without blocks that are drawn anew.

    python -m benchmarks.large.mixing RUN [--rounds 600] [--passes 0 1 8] [--regrafts 0.05] -o FILE

RUN is the folder of a fit that began with a sample of chains. They go on from where they ended, one thread, with so
many passes of blocks drawn anew in each round (`anneal.redraw_kernels`; 0: none), and regrafts tried at such a share of
the edges. For splits with frequencies of 0.1 to 0.9: rounds between independent values, on average and of the slowest,
and processor time for each such value. The gate: both frequencies of every split agree within five standard errors.
"""

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import print_table
from vbpi_mix.anneal.chains import Walker, WalkSettings
from vbpi_mix.anneal.convergence import NumberedSplits, SplitTimes, split_times
from vbpi_mix.anneal.result import load_annealed
from vbpi_mix.anneal.sampler import Chains, SamplerSettings
from vbpi_mix.experiment.run import Run
from vbpi_mix.provenance import describe
from vbpi_mix.threads import set_threads

_ERRORS = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--passes", type=int, nargs="+", default=[0, 1, 8])
    parser.add_argument("--regrafts", type=float, nargs="+", default=[WalkSettings.regrafts_beside])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    set_threads(1)
    torch.set_num_threads(1)
    run = Run.load(options.run)
    assert run.folder is not None
    past = load_annealed(run.folder.chains)
    last = np.array([np.flatnonzero(past.chains == c)[-1] for c in range(int(past.chains.max()) + 1)])
    rows: list[dict[str, Any]] = []
    times: list[SplitTimes] = []
    for passes, regrafts in itertools.product(options.passes, options.regrafts):
        walker = Walker(run.problem.model, past.particles.topologies)
        walker.settings = replace(walker.settings, passes=passes, regrafts_beside=regrafts)
        chains = Chains(
            walker, past.particles.take(last), seed=np.random.SeedSequence(options.seed),
            settings=SamplerSettings(n_chains=len(last)), climb=False, shown=past.particles,
        )  # fmt: skip
        chains.run(SamplerSettings.adapting)
        begun = time.process_time()
        chains.run(options.rounds)
        milliseconds = 1000 * (time.process_time() - begun) / options.rounds / len(last)
        sample = chains.sample()
        times.append(split_times(NumberedSplits.of(sample.particles.topologies), sample.chains))
        found = times[-1].time
        rows.append({
            "passes": passes, "regrafts": regrafts, "ms_per_round_and_chain": milliseconds,
            "mean_time": float(found.mean()), "largest_time": float(found.max()),
            "ms_per_value": milliseconds * float(found.mean()),
            "ms_per_value_of_slowest": milliseconds * float(found.max()), "largest_error": float(times[-1].error.max()),
        })  # fmt: skip
        rows[-1] |= {f"{name}_ratio": rows[0][name] / rows[-1][name] for name in ("ms_per_value", "mean_time")}
    worst = max(apart(times[0], other) for other in times)
    print_table([{k: round(v, 2) for k, v in row.items()} for row in rows], tuple(rows[0]))
    print(f"largest difference of a split's frequency: {worst:.1f} standard errors")
    if worst > _ERRORS:
        raise SystemExit("frequencies with and without blocks drawn anew differ")
    if options.output is not None:
        record = {"provenance": describe(), "data": options.run.name, "rounds": options.rounds, "rows": rows}
        options.output.write_text(json.dumps(record | {"largest_difference_in_errors": worst}, indent=1) + "\n")


def apart(one: SplitTimes, other: SplitTimes) -> float:
    """Largest difference of the frequency of a split that both have, in its standard errors."""
    _, here, there = np.intersect1d(one.split, other.split, return_indices=True)
    error = np.sqrt(one.error[here] ** 2 + other.error[there] ** 2)
    return float((np.abs(one.frequency[here] - other.frequency[there]) / error).max(initial=0.0))


if __name__ == "__main__":
    main()
