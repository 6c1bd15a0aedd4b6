"""Every exported file read back by this package and by others: equal names, topologies, lengths and probabilities."""

import subprocess
import warnings

import numpy as np
import pytest
from Bio import Phylo

from tests.posterior.export.round_trips import HARD_NAMES, PLAIN_NAMES, dendropy_list, whole, write_all
from vbpi_mix.io.trees import read_trees

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ete3


def tree_splits(leaves_below, names):
    """{side without the first taxon: length} from pairs (names below an edge, its length)."""
    found = {}
    for below, length in leaves_below:
        side = frozenset(set(names) - set(below) if names[0] in below else below)
        found[side] = found.get(side, 0.0) + length
    return found


def our_splits(chunk, i, names):
    inside = chunk.topologies[i : i + 1].clades()[0]
    rows = (np.atleast_1d(words) for words in inside)
    members = [frozenset(n for k, n in enumerate(names) if int(w[k // 64]) >> (k % 64) & 1) for w in rows]
    return dict(zip(members, chunk.branch_lengths[i], strict=True))


def assert_same_trees(read, stream):
    """`read` holds one {split: length} for each tree."""
    chunk, count = whole(stream), 0
    for i, found in enumerate(read):
        assert found == pytest.approx(our_splits(chunk, i, stream.taxa), rel=1e-8, abs=1e-12)
        count += 1
    assert count == stream.n_trees


def dendropy_splits(tree, names):
    edges = (
        (nd, [leaf.taxon.label for leaf in nd.leaf_nodes()]) for nd in tree.postorder_node_iter() if nd.parent_node
    )
    return tree_splits(((below, nd.edge.length) for nd, below in edges), names)


@pytest.mark.parametrize(("ending", "schema"), [("trees", "nexus"), ("t", "nexus"), ("nwk", "newick")])
def test_dendropy_reads_every_tree_with_any_name(tmp_path, ending, schema):
    stream = write_all(tmp_path, HARD_NAMES)[0]
    trees = dendropy_list(tmp_path / f"x.{ending}", schema)
    assert set(trees.taxon_namespace.labels()) == set(HARD_NAMES)
    assert not any(tree.is_rooted for tree in trees)
    assert_same_trees((dendropy_splits(tree, HARD_NAMES) for tree in trees), stream)


@pytest.mark.parametrize("ending", ["trees", "t"])
def test_generations_are_those_of_the_log(tmp_path, ending):
    write_all(tmp_path, PLAIN_NAMES)
    word, log = ("STATE_", "x.log") if ending == "trees" else ("gen.", "x.p")
    numbers = [tree.label.removeprefix(word) for tree in dendropy_list(tmp_path / f"x.{ending}")]
    rows = [line for line in (tmp_path / log).read_text().splitlines() if line[0] not in "#["]
    assert [row.split("\t")[0] for row in rows[1:]] == numbers == [str(i) for i in range(1, 151)]


def test_biopython_reads_every_tree(tmp_path):
    """Its NEXUS reader keeps the quotes of a TRANSLATE table and stops at hyphens there; not so its Newick reader."""
    for names, files in (((*PLAIN_NAMES,), ("x.trees", "x.t", "x.nwk")), (HARD_NAMES, ("x.nwk",))):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        stream = write_all(folder, names)[0]
        for file in files:
            trees = Phylo.parse(folder / file, "newick" if file.endswith("nwk") else "nexus")
            read = (
                tree_splits(
                    (
                        ([leaf.name for leaf in c.get_terminals()], c.branch_length)
                        for c in tree.find_clades()
                        if c != tree.root
                    ),
                    names,
                )
                for tree in trees
            )
            assert_same_trees(read, stream)


def test_ete3_reads_every_tree(tmp_path):
    """It takes no doubled quotes, the only way to write an apostrophe."""
    names = tuple(name for name in HARD_NAMES if "'" not in name)
    stream = write_all(tmp_path, names)[0]
    lines = (tmp_path / "x.nwk").read_text().splitlines()
    trees = (ete3.Tree(line, format=1, quoted_node_names=True) for line in lines)
    read = (tree_splits(((n.get_leaf_names(), n.dist) for n in t.iter_descendants()), names) for t in trees)
    assert_same_trees(read, stream)


@pytest.mark.parametrize("equal", [True, False])
def test_probabilities_come_back_from_every_list(tmp_path, equal):
    stream, ranking, *_ = write_all(tmp_path, HARD_NAMES, equal=equal)
    chunk = stream.take(ranking.first)
    expected = {t.tobytes(): p for t, p in zip(chunk.topologies.children, ranking.probability, strict=True)}
    for ending in ("trees", "t", "nwk", "trprobs") if equal else ("trees", "trprobs"):
        sample = read_trees([tmp_path / f"x.{ending}"], HARD_NAMES)
        rows = zip(sample.topologies.children, sample.probabilities(), strict=True)
        assert {t.tobytes(): p for t, p in rows} == pytest.approx(expected, abs=1e-8), ending


def r_lines(code):
    if subprocess.run(["Rscript", "-e", "library(ape)"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the R package ape is not installed")
    result = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return [line.split("\t") for line in result.stdout.splitlines() if line]


@pytest.mark.external("Rscript")
def test_ape_reads_every_file(tmp_path):
    # ape takes apostrophes for quotes wherever they are, so "it's" would come back as "its"
    names = ("Homo sapiens", "t.2", "M-mulatta", "t4", "Ünicode", "a b-c")
    stream, ranking, splits, consensus, _ = write_all(tmp_path, names, n_trees=30)
    chunk = whole(stream)
    code = f"""
    library(ape); setwd("{tmp_path}")
    for (file in c("x.trees", "x.t", "x.con.tre", "x.map.tre", "x.trprobs", "x.nwk")) {{
      trees <- if (file == "x.nwk") read.tree(file) else read.nexus(file, force.multi = TRUE)
      trees <- .uncompressTipLabel(trees)
      for (t in trees) for (tip in 1:6)
        cat(file, is.rooted(t), t$tip.label[tip], sprintf("%.10f", if (is.null(t$edge.length)) 0 else
            t$edge.length[t$edge[, 2] == tip]), sprintf("%.9f", sum(t$edge.length)), sep="\\t", "\\n")
    }}
    trees <- read.nexus("x.trees")
    for (p in prop.part(trees)) {{}}
    counts <- prop.clades(read.nexus("x.con.tre"), trees, rooted = FALSE)
    cat("support", sort(counts[-1]), sep="\\t")
    """
    rows = r_lines(code)
    assert all(row[1] == "FALSE" for row in rows[:-1])
    for file in ("x.trees", "x.t", "x.nwk"):
        mine = [row for row in rows if row[0] == file]
        assert len(mine) == 30 * 6, file
        for row in mine:
            row[2] = row[2].strip("'")  # its Newick reader keeps the quotes
        for i in range(30):
            tips = {row[2]: float(row[3]) for row in mine[6 * i : 6 * i + 6]}
            assert tips == pytest.approx(dict(zip(names, chunk.branch_lengths[i, :6], strict=True)), abs=1e-8)
            assert float(mine[6 * i][4]) == pytest.approx(chunk.branch_lengths[i].sum(), abs=1e-8)
    tips = {row[2]: float(row[3]) for row in rows if row[0] == "x.con.tre"}
    assert tips == pytest.approx(dict(zip(names, consensus.tree.lengths[:6], strict=True)), abs=1e-8)
    assert sum(row[0] == "x.trprobs" for row in rows) == 6 * ranking.n_topologies
    supports = sorted(splits.frequency[splits.frequency > 0.5] * 30)
    assert [float(x) for x in rows[-1][1:]] == pytest.approx(supports)
