"""Every exported file read back by this package and by others: equal names, topologies, lengths and probabilities."""

import csv
import subprocess
import warnings
from pathlib import Path

import dendropy
import numpy as np
import pytest
from Bio import Phylo

from tests.experiment.simulated import simulate
from tests.posterior.examples import made_up_stream
from vbpi_mix.io.trees import read_trees
from vbpi_mix.posterior import annotated_consensus, annotated_map, rank_topologies, summarise_stream
from vbpi_mix.posterior.export.consensus_files import write_annotated
from vbpi_mix.posterior.export.mrbayes_files import write_mrbayes_parameters, write_mrbayes_trees, write_trprobs
from vbpi_mix.posterior.export.trace_file import write_trace
from vbpi_mix.posterior.export.tree_files import write_newick_stream, write_nexus_stream

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ete3

HARD_NAMES = (
    "a b", "it's", "x-y", "Åse", "(p)[q]", "7", "2", "t=e,s;t", '"dq"', "z|y", "q:r", "<b>x</b> & y", "日本 語", "A/B",
)  # fmt: skip
PARAMETERS = ("kappa", "pi(A)", "pi(C)", "alpha{1}")
PLAIN_NAMES = ("Homo_sapiens", "Pan", "t.3", "Åse", "7", "z|y", "A/B", "x1")


def write_all(folder: Path, names, n_trees=150, *, equal=True, parameters=()):
    """All text formats of one stream."""
    stream = made_up_stream(n_trees, len(names), taxa=tuple(names), equal=equal, n_topologies=5, parameters=parameters)
    write_nexus_stream(stream, folder / "x.trees")
    if equal:
        write_newick_stream(stream, folder / "x.nwk")
        write_mrbayes_trees(stream, folder / "x.t")
        write_mrbayes_parameters(stream, folder / "x.p")
    write_trace(stream, folder / "x.log")
    ranking, splits = rank_topologies(stream), summarise_stream(stream)
    write_trprobs(stream, ranking, folder / "x.trprobs")
    consensus = annotated_consensus(stream, splits, folder=folder)
    write_annotated(consensus, "consensus", folder / "x.con.tre")
    best = annotated_map(stream, splits, ranking, folder=folder)
    write_annotated(best, "MAP", folder / "x.map.tre")
    return stream, ranking, splits, consensus, best


def whole(stream):
    """All trees of a stream as one chunk."""
    return stream.take(np.arange(stream.n_trees))


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


def dendropy_list(path, schema="nexus"):
    return dendropy.TreeList.get(
        path=str(path), schema=schema, preserve_underscores=True, store_tree_weights=True, rooting="default-unrooted"
    )


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


def test_trprobs_in_the_form_of_mrbayes(tmp_path):
    _, ranking, *_ = write_all(tmp_path, PLAIN_NAMES)
    lines = [line.strip() for line in (tmp_path / "x.trprobs").read_text().splitlines() if line.startswith("\ttree ")]
    first = ranking.probability[0]
    assert lines[0].startswith(f"tree tree_1 [p = {first:.3f}, P = {first:.3f}] = [&W ")
    assert "P = 1.000]" in lines[-1]
    trees = dendropy_list(tmp_path / "x.trprobs")
    assert [tree.weight for tree in trees] == pytest.approx(ranking.probability.tolist(), abs=1e-9)


def test_dendropy_finds_the_same_topology_probabilities_splits_and_lengths(tmp_path):
    _, ranking, splits, consensus, best = write_all(tmp_path, HARD_NAMES)
    trees = dendropy_list(tmp_path / "x.trees")
    array = trees.as_tree_array(is_rooted_trees=False)
    theirs = sorted((float(x) for x in array.split_bitmask_set_frequencies().values()), reverse=True)
    assert theirs == pytest.approx(ranking.probability.tolist())
    check_against_dendropy(trees, splits)
    for summary in (consensus, best):
        check_annotated_against_dendropy(trees, summary)
    assert consensus.tree.n_nodes > 16, "a star has nothing to compare"
    majority = trees.consensus(min_freq=0.5, is_bipartitions_updated=False)
    ours = dendropy.Tree.get(
        path=str(tmp_path / "x.con.tre"),
        schema="nexus",
        taxon_namespace=trees.taxon_namespace,
        preserve_underscores=True,
    )
    majority.encode_bipartitions()
    ours.encode_bipartitions()
    assert dendropy.calculate.treecompare.symmetric_difference(majority, ours) == 0
    frequent = max(array.split_bitmask_set_frequencies().items(), key=lambda item: item[1])[0]
    mapped = dendropy.Tree.get(
        path=str(tmp_path / "x.map.tre"),
        schema="nexus",
        taxon_namespace=trees.taxon_namespace,
        preserve_underscores=True,
    )
    mapped.encode_bipartitions()
    assert set(frequent) == {b.split_bitmask for b in mapped.bipartition_encoding}


def split_key(namespace, members, counts):
    mask = namespace.taxa_bitmask(labels=members)
    return mask if mask in counts else namespace.all_taxa_bitmask() & ~mask


def check_against_dendropy(trees, splits):
    theirs = trees.split_distribution(is_bipartitions_updated=False)
    for i in range(splits.n_splits):
        key = split_key(trees.taxon_namespace, splits.members(i), theirs.split_counts)
        assert theirs[key] == pytest.approx(splits.frequency[i])
        assert np.mean(theirs.split_edge_lengths[key]) == pytest.approx(splits.mean_length[i], rel=1e-7)


def check_annotated_against_dendropy(trees, annotated):
    """Medians and means of DendroPy; its interval is the shortest one too."""
    theirs = trees.split_distribution(is_bipartitions_updated=False)
    tree = annotated.tree
    for node, words in enumerate(tree.clades()[:-1]):
        members = [n for k, n in enumerate(tree.taxa) if int(words[k // 64]) >> (k % 64) & 1]
        key = split_key(trees.taxon_namespace, members, theirs.split_counts)
        lengths = np.array(theirs.split_edge_lengths[key])
        assert tree.lengths[node] == pytest.approx(lengths.mean(), rel=1e-7)
        assert annotated.medians[node] == pytest.approx(np.median(lengths), rel=1e-7)
        low, high = annotated.intervals[node]
        inside = ((lengths >= low - 1e-9) & (lengths <= high + 1e-9)).mean()
        assert 0.95 <= inside <= 0.95 + 1 / len(lengths) + 1e-9


def test_annotations_as_figtree_and_treeio_read_them(tmp_path):
    _, _, _, consensus, _ = write_all(tmp_path, PLAIN_NAMES)
    tree = dendropy.Tree.get(
        path=str(tmp_path / "x.con.tre"), schema="nexus", preserve_underscores=True, extract_comment_metadata=True
    )
    assert len(tree.seed_node.child_nodes()) >= 3
    assert not tree.is_rooted
    nodes = [node for node in tree.preorder_node_iter() if node.parent_node is not None]
    assert len(nodes) == consensus.tree.n_nodes - 1
    for node in nodes:
        notes = {a.name: a.value for a in node.annotations}
        assert notes.keys() == {"prob", "prob_stddev", "length_mean", "length_sd", "length_median", "length_95%HPD"}
        assert float(notes["length_mean"]) == node.edge.length
        low, high = (float(x) for x in notes["length_95%HPD"])
        assert low <= float(notes["length_median"]) <= high
    text = (tmp_path / "x.con.tre").read_text()
    assert "]:" in text  # before the colon
    assert ":[" not in text


def test_the_log_in_the_form_of_tracer(tmp_path):
    for equal in (True, False):
        stream, *_ = write_all(tmp_path, PLAIN_NAMES, equal=equal, parameters=PARAMETERS)
        lines = (tmp_path / "x.log").read_text().splitlines()
        comments = [line for line in lines if line.startswith("#")]
        assert "effective sample size" in " ".join(comments)
        assert not any("  " in line for line in lines)  # Tracer stumbles over double spaces
        rows = list(csv.DictReader(lines[len(comments) :], delimiter="\t"))
        chunk = whole(stream)
        heading = ["state", "log_posterior", "log_likelihood", "log_prior", "tree_length", *PARAMETERS, "component"]
        assert list(rows[0]) == heading + ([] if equal else ["log_weight"])
        for name, values in (
            ("log_likelihood", chunk.log_likelihood),
            ("log_prior", chunk.log_prior),
            ("log_posterior", chunk.log_likelihood + chunk.log_prior),
            ("tree_length", chunk.branch_lengths.sum(axis=1)),
            ("component", chunk.components + 1),
            *zip(PARAMETERS, chunk.parameters.T, strict=True),
        ):
            np.testing.assert_allclose([float(row[name]) for row in rows], values, atol=2e-6, err_msg=name)
        if equal:
            assert "log_weight" not in rows[0]
        else:
            assert np.exp([float(row["log_weight"]) for row in rows]).sum() == pytest.approx(1)


def test_the_table_of_mrbayes_has_the_parameters_after_the_tree_length(tmp_path):
    stream, *_ = write_all(tmp_path, PLAIN_NAMES, parameters=PARAMETERS)
    identity, *lines = (tmp_path / "x.p").read_text().splitlines()
    assert identity.startswith("[ID: ")
    rows = list(csv.DictReader(lines, delimiter="\t"))
    assert list(rows[0]) == ["Gen", "LnL", "LnPr", "TL", *PARAMETERS]
    found = np.array([[float(row[name]) for name in PARAMETERS] for row in rows])
    np.testing.assert_allclose(found, whole(stream).parameters, rtol=1e-8)


@pytest.mark.external("mb")
def test_mrbayes_sumt_and_sump_agree(tmp_path):
    names = ("Homo_sapiens", "Pan", "M-mulatta", "t.4", "t5", "t6", "t7")
    stream, ranking, splits, consensus, _ = write_all(tmp_path, names, n_trees=200, parameters=PARAMETERS)
    chunk = whole(stream)
    rows = simulate(next(iter(chunk.topologies)), chunk.branch_lengths[0], 20, seed=1)
    matrix = "\n".join(f"{name} {''.join(row)}" for name, row in zip(names, rows, strict=True))
    (tmp_path / "data.nex").write_text(
        f"#NEXUS\nbegin data;\ndimensions ntax=7 nchar=20;\nformat datatype=dna;\nmatrix\n{matrix}\n;\nend;\n"
    )
    options = "nruns=1 relburnin=no burnin=0"
    sumt = f"sumt filename=x ntrees=1 {options} minpartfreq=0 outputname=mb;"
    commands = (
        f"set autoclose=yes nowarn=yes;\nexecute data.nex;\n{sumt}\nsump filename=x {options} outputname=mb;\nquit;\n"
    )
    result = subprocess.run(
        ["mb"], input=commands, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert (tmp_path / "mb.tstat").is_file(), result.stdout[-2000:]
    theirs = mrbayes_splits(tmp_path, names)
    ours = {frozenset(splits.members(i)): splits.frequency[i] for i in range(splits.n_splits)}
    assert {s: x["prob"] for s, x in theirs.items() if "prob" in x} == pytest.approx(ours, abs=1e-6)
    for node, words in enumerate(consensus.tree.clades()[:-1]):
        members = [n for k, n in enumerate(names) if int(words[0]) >> k & 1]
        found = theirs[frozenset(set(names) - set(members) if names[0] in members else members)]
        assert found["Mean"] == pytest.approx(consensus.tree.lengths[node], rel=1e-5)
        assert found["Median"] == pytest.approx(
            consensus.medians[node], rel=0.05
        )  # it takes one of the two middle ones
    theirs = dendropy_list(tmp_path / "mb.trprobs")
    assert [tree.weight for tree in theirs] == pytest.approx(ranking.probability.tolist(), abs=1e-6)
    parameters = [line.split("\t") for line in (tmp_path / "mb.pstat").read_text().splitlines()[1:]]
    means = {row[0]: float(row[1]) for row in parameters}
    assert means["TL"] == pytest.approx(chunk.branch_lengths.sum(axis=1).mean(), rel=1e-6)
    for name, values in zip(PARAMETERS, chunk.parameters.T, strict=True):
        assert means[name] == pytest.approx(values.mean(), rel=1e-6)


def mrbayes_splits(folder, names):
    """{side without the first taxon: numbers} from the tables that sumt writes."""
    patterns = dict(line.split()[:2] for line in (folder / "mb.parts").read_text().splitlines()[1:])
    sides = {}
    for number, pattern in patterns.items():
        inside = {name for name, mark in zip(names, pattern, strict=True) if mark == "*"}
        sides[number] = frozenset(set(names) - inside if names[0] in inside else inside)
    found = {side: {} for side in sides.values()}
    for line in (folder / "mb.tstat").read_text().splitlines()[1:]:
        row = line.split()
        found[sides[row[0]]]["prob"] = float(row[2])
    table = [line.split("\t") for line in (folder / "mb.vstat").read_text().splitlines() if line[0] != "["]
    for row in table[1:]:
        entry = dict(zip(table[0], row, strict=False))
        number = entry["Parameter"].split("[")[-1].rstrip("]")
        if number in sides:
            found[sides[number]] |= {"Mean": float(entry["Mean"]), "Median": float(entry["Median"])}
    return found


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
