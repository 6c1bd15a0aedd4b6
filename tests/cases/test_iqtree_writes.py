"""What IQ-TREE 2 writes itself is read, and its likelihoods are ours."""

import re
import subprocess
from pathlib import Path

import pytest

from vbpi_mix.experiment import make_config
from vbpi_mix.experiment.build import all_patterns, make_model, make_parts
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.partitions import read_partitions
from vbpi_mix.io.tree_lengths import read_one_tree
from vbpi_mix.io.trees import read_trees

FILES = Path(__file__).parent / "files"
EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
DATA = {
    "base": FILES / "base.fasta",
    "primates": EXAMPLES / "primates.fasta",
    "finches": EXAMPLES / "darwins_finches.fasta",
    "woodmouse": EXAMPLES / "woodmouse.fasta",
    "example": EXAMPLES / "iqtree_example.phy",
}
MRBAYES_SCHEME = """#nexus

begin mrbayes;

  charset one = 1-30;
  charset two = 31-60;

  partition iqtree = 2: one, two;
  set partition = iqtree;

  lset applyto=(1) nucmodel=4by4 nst=6 rates=gamma ngammacat=4;
  prset applyto=(1) statefreqpr=dirichlet(1.0, 1.0, 1.0, 1.0);
  lset applyto=(2) nucmodel=4by4 nst=2 rates=equal;

  unlink statefreq=(all) revmat=(all) shape=(all) pinvar=(all) tratio=(all);
  prset applyto=(all) ratepr=variable;

end;
"""
iqtree2 = pytest.mark.external("iqtree2")


def run(folder, name, *words):
    command = ["iqtree2", "-s", str(DATA[name]), "-st", "DNA", "-T", "1", "-seed", "1", "-quiet", "-redo", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=900)


def partitioned(folder, name, parts):
    n_sites = read_alignment(DATA[name]).n_sites
    cuts = [round(i * n_sites / parts) for i in range(parts + 1)]
    sets = "".join(f"charset g{i} = {cuts[i] + 1}-{cuts[i + 1]};\n" for i in range(parts))
    (folder / "parts.nex").write_text(f"#nexus\nbegin sets;\n{sets}end;\n")
    return n_sites


@iqtree2
@pytest.mark.parametrize("name", ["base", *(pytest.param(name, marks=pytest.mark.slow) for name in list(DATA)[1:])])
def test_the_likelihood_of_the_best_model_and_its_tree(program, tmp_path, name):
    partitioned(tmp_path, name, 1)
    run(tmp_path, name, "-p", "parts.nex", "-m", "TESTONLY" if name == "base" else "MF", "-pre", "choose")
    run(tmp_path, name, "-p", "choose.best_scheme.nex", "-pre", "x")
    (part,) = read_partitions(tmp_path / "x.best_model.nex", read_alignment(DATA[name]).n_sites)
    theirs = float(re.search(r"Log-likelihood of the tree: (\S+)", (tmp_path / "x.iqtree").read_text())[1])
    status, out, err = program("likelihood", DATA[name], tmp_path / "x.treefile", "--model", part.model)
    assert status == 0, err
    # parameters have six digits in the file
    assert float(out) == pytest.approx(theirs, abs=0.05)


@iqtree2
@pytest.mark.parametrize("name", ["base", *(pytest.param(name, marks=pytest.mark.slow) for name in list(DATA)[1:])])
def test_schemes_models_and_bootstrap_trees_are_read(tmp_path, name):
    n_sites = partitioned(tmp_path, name, 3)
    run(tmp_path, name, "-p", "parts.nex", "-m", "TESTMERGE", "-B", "1000", "--boot-trees", "-pre", "x")
    alignment = read_alignment(DATA[name])
    for file in ("x.best_scheme.nex", "x.best_model.nex"):
        config = make_config(alignment=str(DATA[name]), partitions=str(tmp_path / file))
        parts = make_parts(config, alignment)
        assert sum(part.patterns.n_sites for part in parts) == n_sites
        make_model(config, all_patterns(alignment, parts), parts, alignment.taxa)
    assert read_trees([tmp_path / "x.ufboot"], alignment.taxa).weights.sum() == 1000
    _, lengths = read_one_tree(tmp_path / "x.treefile", alignment.taxa)
    assert len(lengths) == 2 * alignment.n_taxa - 3


def test_a_scheme_for_mrbayes_is_read_and_what_it_sets_is_named(tmp_path):
    (tmp_path / "x.mr_bayes_scheme.nex").write_text(MRBAYES_SCHEME)
    with pytest.warns(UserWarning, match=r"lset \(line 11, 13\), prset .*, unlink"):
        parts = read_partitions(tmp_path / "x.mr_bayes_scheme.nex", 60)
    assert [(part.name, part.n_sites) for part in parts] == [("one", 30), ("two", 30)]
