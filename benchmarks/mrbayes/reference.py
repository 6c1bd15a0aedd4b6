"""Run MrBayes on an alignment under JC69, to compare a fit with.

    python -m benchmarks.mrbayes.reference data/examples/primates.nex -o primates_mb
    vbpi-mix compare primates_run primates_mb/mcmc.run1.t primates_mb/mcmc.run2.t --burn-in 25%

Jukes-Cantor without rate variation, exponential branch lengths of rate 10, uniform topologies: the same target as ours.
Two runs of four Metropolis-coupled chains, then stepping-stone sampling for the marginal likelihood. The program `mb`
(Debian package mrbayes) must be on PATH. `RESULT.json` in the folder holds what MrBayes itself says: marginal
likelihood by stepping stone of both runs, average standard deviation of split frequencies, times, commands, version.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from vbpi_mix.errors import VBPIError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.datasets import resolve
from vbpi_mix.provenance import processor_name

_PLAIN = re.compile(r"[\w.|/-]+")
_SYMBOLS = "?ACMGRSVTWYHKDB?"  # by state set: A 1, C 2, G 4, T 8; gaps and N are missing data


def nexus(alignment_path: Path) -> str:
    """The alignment as MrBayes reads it, with its own taxon names."""
    alignment = read_alignment(alignment_path)
    odd = [name for name in alignment.taxa if not _PLAIN.fullmatch(name)]
    if odd:
        sys.exit(f"MrBayes cannot read the taxon name {odd[0]!r}: use letters, digits and underscores")
    rows = [
        f"{name} {''.join(_SYMBOLS[s] for s in row.tolist())}"
        for name, row in zip(alignment.taxa, alignment.state_sets, strict=True)
    ]
    head = f"#NEXUS\nbegin data;\ndimensions ntax={alignment.n_taxa} nchar={alignment.n_sites};\n"
    return head + "format datatype=dna missing=? gap=-;\nmatrix\n" + "\n".join(rows) + "\n;\nend;\n"


def commands(what: str, *, generations: int, sample_every: int, seed: int, burn_in: float) -> str:
    """A MrBayes block with the model and priors of `vbpi-mix fit --model JC69`; `what` is mcmc or ss."""
    chain = f"nruns=2 nchains=4 samplefreq={sample_every} printfreq={generations} filename={what}"
    if what == "mcmc":
        chain += f" diagnfreq={max(generations // 20, 1000)} relburnin=yes burninfrac={burn_in}"
    lines = [
        "begin mrbayes;",
        f"set autoclose=yes nowarnings=yes seed={seed} swapseed={seed};",
        "lset nst=1 rates=equal;",
        "prset statefreqpr=fixed(equal) brlenspr=unconstrained:exp(10.0) topologypr=uniform;",
        f"{what} ngen={generations} {chain};",
    ]
    if what == "mcmc":
        lines.append(f"sumt filename=mcmc relburnin=yes burninfrac={burn_in} minpartfreq=0.1;")
    return "\n".join([*lines, "end;", ""])


def run(folder: Path, what: str, block: str) -> tuple[str, float]:
    """The output of `mb`, and its wall time in seconds. With BEAGLE, one chain per start of the program."""
    (folder / f"{what}.nex").write_text(f"#NEXUS\nexecute data.nex;\n{block}")
    begun = time.perf_counter()
    done = subprocess.run(["mb", f"{what}.nex"], cwd=folder, capture_output=True, text=True)
    (folder / f"{what}.log").write_text(done.stdout)
    if done.returncode != 0 or "Error" in done.stdout:
        sys.exit(f"mb failed, see {folder / f'{what}.log'}: {done.stdout.strip()[-300:]}")
    return done.stdout, time.perf_counter() - begun


def read_output(text: str) -> dict[str, object]:
    """What MrBayes says of the marginal likelihood and of the agreement of its runs."""
    table = re.search(r"Run\s+Marginal likelihood \(ln\)\s+-+\s+(.*?)-{10}.*?Mean:\s+(-?[\d.]+)", text, re.DOTALL)
    spread = re.findall(r"Average standard deviation of split frequencies\s*[:=]\s*([\d.]+)", text)
    version = re.search(r"MrBayes (?:v|version )?([\d.]+\w*)", text)
    found: dict[str, object] = {"version": version.group(1)} if version else {}
    if table is not None:
        found["stepping_stone"] = float(table.group(2))
        found["stepping_stone_runs"] = [float(x) for x in re.findall(r"\d+\s+(-[\d.]+)", table.group(1))]
    if spread and table is None:  # of the chains, not of the steps of the stepping stone
        found["asdsf_by_mrbayes"] = float(spread[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("alignment", help="an alignment or a data set of the catalogue")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for MrBayes' files")
    parser.add_argument("--generations", type=int, default=1_000_000)
    parser.add_argument("--sample-every", type=int, default=100)
    parser.add_argument("--stepping-stone", type=int, default=510_000, help="generations; 0: none")
    parser.add_argument("--burn-in", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if shutil.which("mb") is None:
        sys.exit("mb is not on PATH: install MrBayes (Debian package mrbayes)")
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        (arguments.output / "data.nex").write_text(nexus(resolve(arguments.alignment)))
    except VBPIError as error:
        sys.exit(f"error: {error}")
    result: dict[str, object] = {"processor": processor_name()}
    for what, generations in (("mcmc", arguments.generations), ("ss", arguments.stepping_stone)):
        if generations:
            block = commands(
                what,
                generations=generations,
                sample_every=arguments.sample_every,
                seed=arguments.seed,
                burn_in=arguments.burn_in,
            )
            text, seconds = run(arguments.output, what, block)
            result |= read_output(text)
            result[what] = {"generations": generations, "seconds": round(seconds, 1), "commands": block}
    (arguments.output / "RESULT.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
