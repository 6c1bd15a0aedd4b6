"""Marginal likelihoods of monophyly hypotheses by MrBayes: constrained runs with stepping stone.

    python -m benchmarks.questions.mrbayes_stones data/examples/primates.nex -o primates_stones \
        --hypothesis Homo_sapiens,Pan --hypothesis Pan,Gorilla

Each hypothesis is run twice, with the clade (`constraint hard`) and without it (`constraint negative`), and each of
these from several seeds with two runs each, under the model and priors of `vbpi-mix fit --model JC69`. The difference
of the two log marginal likelihoods is the log Bayes factor of the clade against its absence. One line of JSON a run is
written as it ends, so the script goes on where it was stopped.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from benchmarks.mrbayes.reference import nexus, read_output, run
from vbpi_mix.io.datasets import resolve
from vbpi_mix.provenance import describe


def block(clade: list[str], kind: str, *, generations: int, seed: int) -> str:
    """A MrBayes block that estimates the marginal likelihood with a clade (hard) or without it (negative)."""
    return "\n".join(
        [
            "begin mrbayes;",
            f"set autoclose=yes nowarnings=yes seed={seed} swapseed={seed};",
            "lset nst=1 rates=equal;",
            f"constraint h {kind} = {' '.join(clade)};",
            "prset statefreqpr=fixed(equal) brlenspr=unconstrained:exp(10.0) topologypr=constraints(h);",
            f"ss ngen={generations} nruns=2 nchains=1 samplefreq=50 printfreq={generations} filename=ss;",
            "end;",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("alignment", help="an alignment or a data set of the catalogue")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for MrBayes' files")
    parser.add_argument("--hypothesis", action="append", required=True, help="taxa of a clade; may be repeated")
    parser.add_argument("--generations", type=int, default=1_020_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--record", type=Path, required=True, help="file of JSON lines, added to")
    arguments = parser.parse_args()
    if shutil.which("mb") is None:
        sys.exit("mb is not on PATH: install MrBayes (Debian package mrbayes)")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "data.nex").write_text(nexus(resolve(arguments.alignment)))
    if not arguments.record.exists():
        arguments.record.write_text(json.dumps({"provenance": describe(), "alignment": arguments.alignment}) + "\n")
    done = {
        (row["clade"], row["kind"], row["seed"])
        for row in map(json.loads, arguments.record.read_text().splitlines()[1:])
    }
    for seed in range(1, arguments.seeds + 1):
        for clade in arguments.hypothesis:
            for kind in ("hard", "negative"):
                if (clade, kind, seed) in done:
                    continue
                text = block(clade.split(","), kind, generations=arguments.generations, seed=seed)
                output, seconds = run(arguments.output, "ss", text)
                row = {"clade": clade, "kind": kind, "seed": seed, "generations": arguments.generations}
                row |= read_output(output) | {"seconds": round(seconds, 1)}
                with arguments.record.open("a") as file:
                    print(json.dumps(row), file=file, flush=True)
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
