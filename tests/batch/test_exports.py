from dataclasses import replace

import dendropy
import numpy as np
import pytest

from tests.batch.test_result import make_result
from vbpi_mix.batch.exports import FORMS, bucky_lines, export_loci, newick_trees, supported_tree
from vbpi_mix.batch.options import Locus, LocusOptions
from vbpi_mix.batch.table import TABLE, append_row, row_of_result
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.io.trees import read_trees


@pytest.fixture
def batch(tmp_path):
    for i in range(3):
        result = make_result(n_taxa=6 + i, seed=i, name=f"gene{i}")
        path = Locus(name=result.name, path=tmp_path, options=LocusOptions()).result_path(tmp_path / "out")
        path.parent.mkdir(parents=True, exist_ok=True)
        result.save(path)
        append_row(tmp_path / "out" / TABLE, row_of_result(result))
    return tmp_path / "out"


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_is_written(batch, tmp_path, form):
    files = export_loci(batch, tmp_path / "export", form)
    assert len(files) == (1 if form in ("astral", "phylonet") else 3)
    assert all(path.stat().st_size for path in files)


def test_an_unknown_form_and_no_batch(batch, tmp_path):
    with pytest.raises(ConfigError, match="unknown form 'x'"):
        export_loci(batch, tmp_path / "export", "x")
    with pytest.raises(InputError, match=r"no loci\.tsv"):
        export_loci(tmp_path, tmp_path / "export", "newick")


def test_newick_trees_are_those_of_the_result(tmp_path):
    result = make_result(seed=4)
    (tmp_path / "x.nwk").write_text("".join(newick_trees(result)))
    sample = read_trees([tmp_path / "x.nwk"], result.taxa)
    counts = np.bincount(result.tree_topology, minlength=result.topologies.n_trees)
    assert sorted(sample.weights.tolist(), reverse=True) == sorted(counts[counts > 0].tolist(), reverse=True)


def test_bucky_counts_follow_the_probabilities():
    result = make_result(seed=5)
    lines = list(bucky_lines(result))
    assert lines[0] == "translate\n"
    assert lines[1].split() == ["1", "t0,"]
    assert lines[result.n_taxa].split() == [str(result.n_taxa), f"t{result.n_taxa - 1};"]
    counts = np.array([int(line.rsplit(" ", 1)[1]) for line in lines[result.n_taxa + 1 :]])
    np.testing.assert_allclose(counts / counts.sum(), result.probabilities, atol=2e-4)


def test_bucky_refuses_names_with_blanks():
    result = make_result()
    with pytest.raises(InputError, match="BUCKy has no quotes"):
        list(bucky_lines(replace(result, taxa=("a b", *result.taxa[1:]))))


def test_supports_are_split_probabilities():
    result = make_result(n_taxa=7, seed=6)
    tree = dendropy.Tree.get(data=supported_tree(result), schema="newick", preserve_underscores=True)
    clades, probability = result.split_frequencies()
    known = {}
    for words, p in zip(clades, probability, strict=True):
        known[frozenset(f"t{i}" for i in range(7) if int(words[0]) >> i & 1)] = p
    inner = [node for node in tree.preorder_internal_node_iter() if node.parent_node is not None]
    assert len(inner) == 4
    for node in inner:
        side = frozenset(leaf.taxon.label for leaf in node.leaf_iter())
        assert float(node.label) == pytest.approx(known[side], abs=1e-4)
    assert all(node.edge_length > 0 for node in tree.leaf_node_iter())
