"""Posteriors of proteins, and of DNA with morphology, beside MrBayes on the same alignment and priors.

    python -m benchmarks.mrbayes.data_types replicase ovomucoids cynipids

Alignments are those of Debian's package mrbayes. `replicase` are its RNA sequences, translated; `ovomucoids` as they
are, under WAG+G4 with the matrix's own frequencies (`fixed(wag)`). `cynipids` are the morphological characters of
`cynmix.nex` with two states, both seen, under MK+ASC+G4 (`coding=variable`) beside the 28S sequences under HKY+G4, each
part with a rate multiplier. Priors are those of `parameters`, the table and the options too.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from Bio.Seq import Seq

from benchmarks._common import RESULTS_FOLDER, write_json_lines
from benchmarks.mrbayes.parameters import evidence_row, parameter_rows, split_row, timed_fit
from benchmarks.mrbayes.parameters_table import comparison_table
from benchmarks.mrbayes.run_models import Chains, run_chains, run_stepping_stone
from benchmarks.mrbayes.run_topologies import find_mrbayes
from vbpi_mix.experiment import make_config
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.io.alignments import fasta_lines, read_alignment, write_fasta
from vbpi_mix.phylo import Alignment

EXAMPLES = Path("/usr/share/doc/mrbayes/examples")
_GENE = slice(2092, 3246)  # 28S in cynmix.nex, columns from 0
_SYMBOLS = "ACGT"
_PRIORS = "prset brlenspr=unconstrained:exponential(10.0) topologypr=uniform;\n"


def write_replicase(folder: Path) -> tuple[Path, None]:
    """The protein that the RNA sequences of `replicase.nex` code for; a codon of gaps is a gap."""
    rna = read_alignment(EXAMPLES / "replicase.nex")
    lines = []
    for name, row in zip(rna.taxa, rna.state_sets, strict=True):
        letters = "".join("-" if s == 15 else _SYMBOLS[int(s).bit_length() - 1] for s in row)
        lines.append("".join(fasta_lines(name, str(Seq(letters).translate()))))
    path = folder / "replicase.fasta"
    path.write_text("".join(lines), encoding="utf-8")
    return path, None


def write_ovomucoids(folder: Path, n_taxa: int | None = None) -> tuple[Path, None]:
    """`avian_ovomucoids.nex`, or every so-manieth of its sequences."""
    given = read_alignment(EXAMPLES / "avian_ovomucoids.nex")
    chosen = np.linspace(0, given.n_taxa - 1, n_taxa or given.n_taxa).round().astype(int)
    sets = given.state_sets[chosen]
    alignment = Alignment(taxa=tuple(given.taxa[i] for i in chosen), state_sets=sets, data_type=given.data_type)
    path = folder / "ovomucoids.fasta"
    write_fasta(alignment, path)
    return path, None


def write_cynipids(folder: Path) -> tuple[Path, Path]:
    """NEXUS file of characters with two states and the 28S sequences, and a file of the two parts."""
    given = read_alignment(EXAMPLES / "cynmix.nex")
    characters = given.state_sets[:, given.sections[0].sites]
    binary = ((characters == 1).any(axis=0) & (characters == 2).any(axis=0)) & (
        (characters <= 3) | (characters == given.sections[0].data_type.missing)
    ).all(axis=0)
    characters = characters[:, binary]
    gene = given.state_sets[:, _GENE]
    letters = given.sections[1].data_type.characters(gene, missing="?")
    n = characters.shape[1]
    rows = (
        name.replace(" ", "_") + " " + "".join({1: "0", 2: "1"}.get(int(s), "?") for s in of_characters)
        + "".join(of_gene)
        for name, of_characters, of_gene in zip(given.taxa, characters, letters, strict=True)
    )  # fmt: skip
    end = n + gene.shape[1]
    path, parts = folder / "cynipids.nex", folder / "parts.txt"
    path.write_text(
        f"#NEXUS\nbegin data;\ndimensions ntax={given.n_taxa} nchar={end};\n"
        f"format datatype=mixed(Standard:1-{n},DNA:{n + 1}-{end}) missing=? gap=-;\nmatrix\n"
        + "\n".join(rows)
        + "\n;\nend;\n",
        encoding="utf-8",
    )
    parts.write_text(f"MK+ASC+G4, morphology = 1-{n}\nHKY+G4, gene = {n + 1}-{end}\n", encoding="utf-8")
    return path, parts


def cynipid_commands(parts: Path) -> str:
    ranges = [line.split("=")[1].strip() for line in parts.read_text(encoding="utf-8").splitlines()]
    return (
        f"charset morphology = {ranges[0]};\ncharset gene = {ranges[1]};\npartition parts = 2: morphology, gene;\n"
        "set partition=parts;\nlset applyto=(1) coding=variable rates=gamma ngammacat=4;\n"
        "lset applyto=(2) nst=2 rates=gamma ngammacat=4;\n"
        f"unlink shape=(all);\n{_PRIORS}prset applyto=(all) ratepr=variable;\n"
    )


def with_names_of_parts(chains: Chains, parts: Path) -> Chains:
    """The parameters of part 1 and so on under the names that the parts have in our file."""
    names = [line.split("=")[0].split(",")[1].strip() for line in parts.read_text(encoding="utf-8").splitlines()]
    ours = {f"{{{i}}}": f"{{{name}}}" for i, name in enumerate(names, start=1)}

    def named(name: str) -> str:
        stem, brace, part = name.partition("{")
        return stem + ours.get(brace + part, brace + part)

    return replace(chains, values=tuple({named(k): v for k, v in run.items()} for run in chains.values))


WAG = f"lset rates=gamma ngammacat=4;\nprset aamodelpr=fixed(wag);\n{_PRIORS}"


def ours(path: Path, parts: Path | None, model: str | None, folder: Path, options: argparse.Namespace) -> Path:
    """The folder of a finished fit; with --reuse one that is there already."""
    if options.reuse and (folder / "seconds.json").is_file():
        return folder
    config = make_config(
        alignment=str(path.resolve()), partitions=None if parts is None else str(parts.resolve()), model=model,
        iterations=options.iterations, seed=options.seed,
    )  # fmt: skip
    timed_fit(config, folder, quiet=options.quiet)
    return folder


def compare(name: str, options: argparse.Namespace) -> None:
    work = options.work / name
    work.mkdir(parents=True, exist_ok=True)
    if name == "cynipids":
        path, parts = write_cynipids(work)
        commands, model = cynipid_commands(parts), None
    else:
        path, parts = write_replicase(work) if name == "replicase" else write_ovomucoids(work, options.taxa)
        commands, model = WAG, "WAG+G4"
    alignment = read_alignment(path)
    label = "MK+ASC+G4, HKY+G4" if model is None else model
    if options.fit_only:
        ours(path, parts, model, work / "ours", options)
        return
    given = {"seed": options.seed, "reuse": options.reuse, "commands": commands, "n_chains": options.chains}
    chains = run_chains(
        alignment, work, label, generations=options.generations, sample_every=options.sample_every, **given
    )
    chains = chains if parts is None else with_names_of_parts(chains, parts)
    stone = run_stepping_stone(alignment, work, label, generations=options.stone_generations, **given)
    if options.mrbayes_only:
        return
    folder = ours(path, parts, model, work / "ours", options)
    settings = {"what": "mrbayes", "data": name, "taxa": alignment.n_taxa, "model": label, "seconds": chains.seconds}
    rows = [
        settings | chains.settings,
        *parameter_rows(chains, folder),
        split_row(chains, alignment, folder),
        evidence_row(label, stone, folder),
    ]
    table = comparison_table(f"{name}, {label}, {alignment.n_taxa} taxa", rows)
    write_json_lines(options.output / f"{name}.seed{options.seed}.jsonl", rows)
    (options.output / f"{name}.seed{options.seed}.md").write_text(table, encoding="utf-8")
    print(table, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", choices=("replicase", "ovomucoids", "cynipids"))
    parser.add_argument("--taxa", type=int, help="of ovomucoids, if not all")
    parser.add_argument("--chains", type=int, default=4, help="of each of MrBayes's two runs, all but one heated")
    parser.add_argument("--generations", type=int, default=1_000_000)
    parser.add_argument("--sample-every", type=int, default=100)
    parser.add_argument("--stone-generations", type=int, default=1_020_000)
    parser.add_argument("--iterations", type=int, help="of our training, at most")
    parser.add_argument("--mrbayes-only", action="store_true")
    parser.add_argument("--fit-only", action="store_true")
    parser.add_argument("--reuse", action="store_true", help="take what an earlier call left in --work")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("data_types_mrbayes"), help="folder for the files of both")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "parameters")
    options = parser.parse_args()
    if find_mrbayes() is None and not options.fit_only:
        print("skipped: MrBayes' program mb is not on PATH (Debian, Ubuntu: apt-get install mrbayes)")
        return
    set_threads(options.threads)
    torch.set_num_threads(1)
    for name in options.tasks:
        compare(name, options)


if __name__ == "__main__":
    main()
