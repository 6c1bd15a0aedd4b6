"""Model strings against IQ-TREE and PhyML: their published figures, and IQ-TREE itself where it is installed."""

import gzip
import json
import re
import subprocess

import numpy as np
import pytest
import torch

from tests.felsenstein.test_other_programs import N_CASES, assert_case, load
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.model import PhyloModel, substitution_model
from vbpi_mix.phylo import Alignment, random_topologies, site_patterns
from vbpi_mix.phylo.alignment import IUPAC

SYMBOLS = {code: symbol for symbol, code in reversed(IUPAC.items()) if symbol not in "UXO?-"}
GIVEN = "+F{0.35,0.15,0.2,0.3}"
MODELS = [
    "JC", "K2P{3.0}", "F81", f"F81{GIVEN}", "HKY{2.5}", f"TN{{2,5}}{GIVEN}", "TN{2,5,0.5}+FQ", "HKY{2.5}+FQ+I{0.3}",
    f"GTR{{1.2,3.5,0.8,0.9,4.1}}{GIVEN}", "GTR{1.2,3.5,0.8,0.9,4.1,2.0}+F+I{0.2}+G4{0.5}",
    "GTR{1.2,3.5,0.8,0.9,4.1}+FQ+G8{0.2}", "JC+I{0.6}+G4{0.05}", "K2P{3.0}+I{0.1}+G5{20}",
]  # fmt: skip


@pytest.mark.parametrize("i", range(N_CASES))
def test_equal_to_published_figures(shared_data, i):
    case = json.loads((shared_data / "phylo" / "likelihoods" / "cases.json").read_text())[i]
    topologies, lengths, patterns = load(shared_data, case["dataset"], f"likelihoods/{case['tree']}")
    text = case["iqtree_model"]
    if case["params"].get("discretisation") == "median":
        text = text.replace("+G4", "+GA4")
    model = PhyloModel(patterns, patterns.n_taxa, substitution_model=text)
    value = model.log_likelihood(lengths, topologies)
    assert_case(case, float(value[0]))
    reference = PhyloModel(patterns, patterns.n_taxa, substitution_model=text, backend="reference")
    torch.testing.assert_close(reference.log_likelihood(lengths, topologies), value, rtol=1e-12, atol=0)


def alignment_with_everything(n_taxa, n_sites, generator):
    """Related sequences with every ambiguity code, gaps, columns without data and invariant columns."""
    ancestor = generator.choice([1, 2, 4, 8], size=n_sites)
    sets = np.where(
        generator.random((n_taxa, n_sites)) < 0.7, ancestor, generator.choice([1, 2, 4, 8], (n_taxa, n_sites))
    )
    codes = generator.integers(1, 16, (n_taxa, n_sites))
    sets = np.where(generator.random((n_taxa, n_sites)) < 0.15, codes | sets, sets)
    sets = np.where(generator.random((n_taxa, n_sites)) < 0.1, 15, sets)
    sets[:, -8:] = 15
    sets[:, : n_sites // 4] = ancestor[: n_sites // 4]
    return Alignment(taxa=tuple(f"t{i}" for i in range(n_taxa)), state_sets=sets.astype(np.uint8))


def newick(topology, lengths, taxa):
    """Unrooted, with the printed lengths."""
    n = len(taxa)

    def below(node):
        if node < n:
            return f"{taxa[node]}:{lengths[node]:.10f}"
        return f"({','.join(below(int(c)) for c in topology.children[node - n])}):{lengths[node]:.10f}"

    left, right = (int(c) for c in topology.children[-1])
    return f"({taxa[0]}:{lengths[0]:.10f},{below(left)},{below(right)});"


def problem(folder, n_taxa, seed, *, shortest):
    """Files for the programs, and the same as values; lengths from `shortest` to very long."""
    generator = np.random.default_rng(seed)
    alignment = alignment_with_everything(n_taxa, 240, generator)
    (topology,) = random_topologies(1, n_taxa, generator)
    lengths = generator.exponential(0.1, 2 * n_taxa - 3)
    # internal edges only: with different sequences beside an edge of length zero nothing would be possible
    lengths[n_taxa : n_taxa + 3] = [shortest, 9.0, 9.9]
    text = newick(topology, lengths, alignment.taxa)
    sequences = ["".join(SYMBOLS[int(s)] for s in row) for row in alignment.state_sets]
    (folder / "tree.nwk").write_text(text)
    (folder / "a.fasta").write_text("".join(f">{t}\n{s}\n" for t, s in zip(alignment.taxa, sequences, strict=True)))
    rows = "".join(f"{t}  {s}\n" for t, s in zip(alignment.taxa, sequences, strict=True))
    (folder / "a.phy").write_text(f"{n_taxa} 240\n{rows}")
    again, lengths = parse_newick(text, alignment.taxa)
    return again.batch(), torch.from_numpy(lengths)[None], site_patterns(alignment)


def run(command, folder):
    done = subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.external("iqtree2")
@pytest.mark.parametrize("n_taxa", [6, 70])
@pytest.mark.parametrize("text", MODELS)
def test_iqtree_agrees(text, n_taxa, tmp_path):
    topologies, lengths, patterns = problem(tmp_path, n_taxa, n_taxa, shortest=0.0)
    # IQ-TREE takes a length of 0 for its shortest
    run(
        ["iqtree2", "-s", "a.fasta", "-st", "DNA", "-te", "tree.nwk", "-blfix", "-m", text, "-nt", 1, "-seed", 1,
         "-keep-ident", "-redo", "-quiet", "-blmin", "1e-12", "--prefix", "o"],
        tmp_path,
    )  # fmt: skip
    with gzip.open(tmp_path / "o.ckp.gz", "rt") as file:
        checkpoint = file.read()
    found = re.search(r"CandidateSet:\n\s*0: (-[0-9.]+)", checkpoint)
    assert found is not None
    model = PhyloModel(patterns, n_taxa, substitution_model=substitution_model(text, patterns))
    value = float(model.log_likelihood(lengths, topologies)[0])
    assert value == pytest.approx(float(found[1]), abs=2e-7)  # 12 digits, the last of them rounded otherwise
