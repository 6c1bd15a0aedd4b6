"""Tree files as MrBayes and ape read them, where those programs are installed."""

import subprocess

import numpy as np
import pytest

from tests.experiment.simulated import simulate
from vbpi_mix.io.alignments import write_fasta
from vbpi_mix.phylo import Alignment, random_topologies
from vbpi_mix.phylo.alignment import IUPAC
from vbpi_mix.posterior import PosteriorDraws, summarise_splits, write_sample


def draws(names, n_trees=60):
    generator = np.random.default_rng(1)
    topologies = random_topologies(4, len(names), generator)[generator.integers(0, 4, n_trees)]
    lengths = generator.exponential(0.1, (n_trees, 2 * len(names) - 3))
    return PosteriorDraws(
        taxa=tuple(names),
        topologies=topologies,
        branch_lengths=lengths,
        log_weights=np.zeros(n_trees),
        components=np.zeros(n_trees, dtype=np.int64),
    )


@pytest.mark.external("mb")
def test_mrbayes_sumt_finds_the_same_split_frequencies(tmp_path):
    names = ["Homo_sapiens", "Pan", "M-mulatta", "t.4", "t5", "t6", "t7"]
    sample = draws(names)
    write_sample(sample, tmp_path / "x.t")
    topology = next(iter(sample.topologies))
    rows = simulate(topology, sample.branch_lengths[0], 20, seed=1)
    lines = "\n".join(f"{name} {''.join(row)}" for name, row in zip(names, rows, strict=True))
    (tmp_path / "data.nex").write_text(
        f"#NEXUS\nbegin data;\ndimensions ntax=7 nchar=20;\nformat datatype=dna;\nmatrix\n{lines}\n;\nend;\n"
    )
    summary = "sumt filename=x nruns=1 ntrees=1 relburnin=no burnin=0;"
    commands = f"set autoclose=yes nowarn=yes;\nexecute data.nex;\n{summary}\nquit;\n"
    subprocess.run(["mb"], input=commands, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    patterns = [line.split() for line in (tmp_path / "x.parts").read_text().splitlines()[1:]]
    counts = [line.split() for line in (tmp_path / "x.tstat").read_text().splitlines()[1:]]
    probability = {row[0]: float(row[2]) for row in counts}
    found = {}
    for number, pattern in (row[:2] for row in patterns):
        inside = {name for name, mark in zip(names, pattern, strict=True) if mark == "*"}
        side = frozenset(set(names) - inside if names[0] in inside else inside)
        if number in probability and 1 < len(side) < 6:
            found[side] = probability[number]
    splits = summarise_splits(sample)
    ours = {frozenset(splits.members(i)): splits.frequency[i] for i in range(splits.n_splits)}
    assert found == pytest.approx(ours, abs=1e-6)


@pytest.mark.external("Rscript")
def test_ape_reads_names_topologies_and_lengths(tmp_path):
    probe = subprocess.run(["Rscript", "-e", "library(ape)"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("the R package ape is not installed")
    # ape takes apostrophes for quotes wherever they are, so "it's" would come back as "its"
    names = ["Homo sapiens", "t.2", "M-mulatta", "t4", "Ünicode"]
    sample = draws(names, n_trees=12)
    path = tmp_path / "sample.trees"
    write_sample(sample, path)
    code = f"""
    library(ape)
    trees <- read.nexus("{path}")
    trees <- .uncompressTipLabel(trees)
    for (t in trees) cat(is.binary(t), is.rooted(t), sprintf("%.9f", sum(t$edge.length)), t$tip.label, sep="\\t", "\\n")
    """
    result = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, timeout=120, check=True)
    lines = [line.split("\t") for line in result.stdout.splitlines() if line]
    assert len(lines) == 12
    for line, lengths in zip(lines, sample.branch_lengths, strict=True):
        assert line[:2] == ["TRUE", "FALSE"]
        assert float(line[2]) == pytest.approx(lengths.sum(), abs=1e-8)
        assert [name for name in line[3:] if name] == names


def test_written_alignments_keep_every_code(tmp_path):
    codes = "".join(sorted(set(IUPAC) - {"U", "X", "O", "?", "-", "N"}))
    sets = np.array([[IUPAC[c] for c in codes]] * 4, dtype=np.uint8)
    write_fasta(Alignment(taxa=("a", "b", "c", "d"), state_sets=sets), tmp_path / "a.fasta")
    assert codes in (tmp_path / "a.fasta").read_text().upper()
