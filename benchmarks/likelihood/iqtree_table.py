"""Log-likelihoods of fixed trees beside IQ-TREE's: every protein matrix, nucleotide and discrete models.

    python -m benchmarks.likelihood.iqtree_table -o benchmarks/results/likelihood/iqtree_table.json

Needs `iqtree2` (2.0.7). Data are simulated at random with all ambiguity codes, gaps and columns without data; for +ASC
without columns that may be invariable. IQ-TREE's figures are those of its checkpoint, 12 digits.
"""

import argparse
import gzip
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from benchmarks._common import print_table, write_json_lines
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.model.ascertainment import invariable_patterns
from vbpi_mix.model.one_tree import fixed_model
from vbpi_mix.model.protein_matrices import PROTEIN_MATRICES
from vbpi_mix.phylo import random_topologies, site_patterns
from vbpi_mix.phylo.data_type import AMINO_ACIDS, DataTypeName

RATES = "+R4{0.2,0.1,0.3,0.5,0.3,1.2,0.2,2.85}"
N_TAXA, N_SITES, TOLERANCE = 12, 240, 2e-7
Kind = Literal["protein", "dna", "binary", "multistate"]
FLAG = {"protein": "AA", "dna": "DNA", "binary": "BIN", "multistate": "MORPH"}
TYPE: dict[Kind, DataTypeName] = {"protein": "protein", "dna": "dna", "binary": "standard", "multistate": "standard"}
LETTERS: dict[Kind, tuple[str, str]] = {
    "protein": (AMINO_ACIDS, "BZJXUO*-?"),
    "dna": ("ACGT", "MRWSYKVHDBN-?"),
    "binary": ("01", "-?"),
    "multistate": ("01234", "-?"),
}
NUCLEOTIDES = [
    "K81{2.5,0.6}", "TPM2{2,3}+FQ", "TPM2u{2,3}+F", "TPM3{2,3}+FQ", "TPM3u{2,3}+F", "TIM{2,3,0.5}+F", "TIMe{2,3,0.5}",
    "TIM2{2,3,0.5}+F", "TIM2e{2,3,0.5}", "TIM3{2,3,0.5}+F", "TVM{2,3,0.5,1.4}+F", "TVMe{2,3,0.5,1.4}",
    "SYM{2,3,0.5,1.4,2.2}", f"GTR{{2,3,0.5,1.4,2.2}}+F{RATES}", f"HKY{{2.5}}+F{RATES}",
    "010234{2,0.5,1.5,3}+F+G4{0.4}", "GTR{2,3,0.5,1.4,2.2}+F+I{0.2}+G4{0.5}",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the table."""

    kind: Kind
    model: str

    @property
    def ascertained(self) -> bool:
        return self.model.endswith("+ASC")


def cases() -> list[Case]:
    """Every matrix with every kind of frequencies and rates, nucleotide models, MK and its two-state relatives."""
    parts = ("", "+F", "+G4{0.5}", "+F+I{0.15}+G4{0.7}", RATES, "+G4{0.5}+ASC")
    proteins = [Case(kind="protein", model=name + part) for name in PROTEIN_MATRICES for part in parts]
    frequencies = ",".join(f"{x:.4f}" for x in np.linspace(0.03, 0.07, 20))
    proteins += [Case(kind="protein", model=f"LG+F{{{frequencies}}}+I{{0.2}}"), Case(kind="protein", model="LG+FQ")]
    dna = [Case(kind="dna", model=model) for model in [*NUCLEOTIDES, "GTR{2,3,0.5,1.4,2.2}+F+G4{0.5}+ASC"]]
    binary = [Case(kind="binary", model=m) for m in ("JC2", "JC2+G4{0.5}", "JC2+ASC", "GTR2+F", "JC2+G4{0.5}+ASC")]
    several = [Case(kind="multistate", model=m) for m in ("MK", "MK+G4{0.5}", "MK+ASC", "MK+G4{0.5}+ASC")]
    return [*proteins, *dna, *binary, *several]


def alignment(kind: Kind, *, variable: bool, generator: np.random.Generator) -> list[str]:
    """Rows of related sequences; `variable`: every site has two different plain states."""
    states, others = (list(x) for x in LETTERS[kind])
    ancestor = generator.choice(states, N_SITES)
    rows = np.where(generator.random((N_TAXA, N_SITES)) < 0.7, ancestor, generator.choice(states, (N_TAXA, N_SITES)))
    rows = np.where(generator.random(rows.shape) < 0.12, generator.choice(others, rows.shape), rows)
    if variable:
        rows[0], rows[1] = ancestor, [states[(states.index(x) + 1) % len(states)] for x in ancestor]
    else:
        rows[:, : N_SITES // 5] = ancestor[: N_SITES // 5]
        rows[:, -3:] = "-"
    rows[2, : len(states)] = states  # that every program sees every state
    return ["".join(row) for row in rows]


def newick(generator: np.random.Generator) -> str:
    """A random tree with exponential lengths."""
    (topology,) = random_topologies(1, N_TAXA, generator)
    lengths = generator.exponential(0.15, 2 * N_TAXA - 3)

    def below(node: int) -> str:
        if node < N_TAXA:
            return f"t{node}:{lengths[node]:.8f}"
        inside = ",".join(below(int(child)) for child in topology.children[node - N_TAXA])
        return f"({inside}):{lengths[node]:.8f}"

    left, right = (int(child) for child in topology.children[-1])
    return f"(t0:{lengths[0]:.8f},{below(left)},{below(right)});"


def iqtree(case: Case, folder: Path) -> float:
    """IQ-TREE's log-likelihood of the tree and alignment in a folder."""
    model = case.model
    command = [
        "iqtree2", "-s", "a.phy", "-st", FLAG[case.kind], "-te", "tree.nwk", "-blfix", "-m", model, "-nt", "1",
        "-seed", "1", "-keep-ident", "-redo", "-quiet", "-blmin", "1e-12", "--prefix", "o",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{model}: {done.stdout[-500:]} {done.stderr[-500:]}")
    with gzip.open(folder / "o.ckp.gz", "rt") as file:
        found = re.search(r"CandidateSet:\n\s*0: (-[0-9.]+)", file.read())
    assert found is not None, model
    return float(found[1])


def ours(case: Case, folder: Path) -> float:
    """Our log-likelihood of the same."""
    data = read_alignment(folder / "a.phy", TYPE[case.kind])
    topology, lengths = parse_newick((folder / "tree.nwk").read_text(), data.taxa)
    patterns = site_patterns(data)
    assert lengths is not None
    assert not case.ascertained or not invariable_patterns(patterns).any()
    model = fixed_model(case.model, patterns)
    return float(model.log_likelihood(torch.from_numpy(lengths)[None], topology.batch())[0])


def compare(case: Case, seed: int) -> dict[str, object]:
    """One row of the table."""
    generator = np.random.default_rng([seed, len(case.model)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = alignment(case.kind, variable=case.ascertained, generator=generator)
        text = "".join(f"t{i}  {row}\n" for i, row in enumerate(rows))
        (folder / "a.phy").write_text(f"{N_TAXA} {N_SITES}\n{text}")
        (folder / "tree.nwk").write_text(newick(generator))
        begun = time.perf_counter()
        theirs = iqtree(case, folder)
        mine = ours(case, folder)
    difference = abs(theirs - mine)
    return {
        "data": case.kind, "model": case.model, "iqtree": f"{theirs:.7f}", "vbpi_mix": f"{mine:.7f}",
        "difference": f"{difference:.1e}", "equal": difference <= TOLERANCE,
        "seconds": round(time.perf_counter() - begun, 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="JSON lines to write")
    parser.add_argument("--seed", type=int, default=1, help="of data and trees (default: 1)")
    parser.add_argument("--match", default="", help="only models with this in their name")
    options = parser.parse_args()
    rows = [compare(case, options.seed) for case in cases() if options.match in case.model]
    print_table(rows, ["data", "model", "iqtree", "vbpi_mix", "difference", "equal"])
    print(f"{sum(bool(row['equal']) for row in rows)} of {len(rows)} equal within {TOLERANCE}")
    if options.output:
        write_json_lines(options.output, rows)


if __name__ == "__main__":
    main()
