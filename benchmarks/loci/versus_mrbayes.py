"""Loci of a finished batch beside MrBayes: largest difference of a split, and processor time.

    python -m benchmarks.loci.versus_mrbayes ALIGNMENTS BATCH -o FILE --every 11 --generations 60000

BATCH is what `vbpi-mix batch ALIGNMENTS -o BATCH --model GTR+G4` wrote. Every so-manieth locus goes to MrBayes: two
runs of four chains under the same model with the same priors, the first quarter left out. With `--stop` they end at
an ASDSF of 0.01. Its processor time is given to that and to the ASDSF at which our chains ended, None where it was
never reached. Skips with a message where `mb` is not installed.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._common import write_json_lines
from benchmarks.large.versus_mrbayes import MODELS, mrbayes, seconds_to, trees_of
from vbpi_mix.batch.result import load_result
from vbpi_mix.batch.run import results_of
from vbpi_mix.evaluate.distances.splits import split_agreement, split_table
from vbpi_mix.io.alignments import read_alignment

_BURN_IN = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("alignments", type=Path, help="folder that the batch was made of")
    parser.add_argument("batch", type=Path, help="folder that it was written to")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file of JSON lines")
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--model", choices=MODELS, default="GTR+G4", help="that of the batch")
    parser.add_argument("--generations", type=int, default=60_000)
    parser.add_argument("--stop", action="store_true", help="at an ASDSF of 0.01, if that comes before the generations")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if shutil.which("mb") is None:
        sys.exit("mb is not on PATH: install MrBayes (Debian package mrbayes)")
    files = {path.stem: path for path in sorted(options.alignments.iterdir())}
    rows = []
    for row, path in list(results_of(options.batch))[:: options.every]:
        result = load_result(path)
        alignment = read_alignment(files[row.locus])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            found = mrbayes(alignment, folder, options.generations, options.seed, options.model, stop=options.stop)
            chains = [trees_of([folder / f"mb.run{i}.t"], alignment, _BURN_IN).topologies for i in (1, 2)]
            both = trees_of([folder / f"mb.run{i}.t" for i in (1, 2)], alignment, _BURN_IN).topologies
        ours = split_table(result.taxa, result.topologies, result.probabilities)
        theirs, *own = (split_table(alignment.taxa, t, np.ones(t.n_trees)) for t in (both, *chains))
        rows.append(
            {
                "locus": row.locus,
                "taxa": row.taxa,
                "sites": row.sites,
                "effective_topologies": row.effective_topologies,
                "verdict": row.level,
                "core_s": row.core_seconds,
                "mrbayes_cpu_s": found["cpu_s"],
                "mrbayes_asdsf": found["asdsf"],
                "mrbayes_generations": found["generations"],
                "mrbayes_cpu_s_to_asdsf": found["cpu_s_to_asdsf"],
                "mrbayes_cpu_s_to_our_asdsf": seconds_to(result.agreement["asdsf"], found["looks"], found["cpu_s"]),
                "our_asdsf": result.agreement["asdsf"],
                "largest_difference": split_agreement([ours, theirs]).max_difference,
                "between_its_runs": split_agreement(own).max_difference,
            }
        )
        print(rows[-1], flush=True)
    write_json_lines(options.output, rows)


if __name__ == "__main__":
    main()
