from dataclasses import replace

import dendropy
import numpy as np
import pytest

from tests.batch.test_exports import batch  # noqa: F401  (a fixture)
from tests.batch.test_result import make_result
from vbpi_mix.batch.concordance import concordance, shared_splits, write_concordance
from vbpi_mix.errors import InputError


def test_splits_of_pruned_trees_are_those_of_dendropy():
    result = make_result(n_taxa=8, n_topologies=6, seed=2)
    taxa = ["t1", "t3", "t4", "t6", "t7"]
    expected = {}
    namespace = dendropy.TaxonNamespace(list(result.taxa))
    for topology, p in zip(result.topologies, result.probabilities.tolist(), strict=True):
        tree = dendropy.Tree.get(data=topology.newick(result.taxa), schema="newick", taxon_namespace=namespace)
        tree.retain_taxa_with_labels(taxa)
        tree.encode_bipartitions()
        sides = set()
        for split in tree.bipartition_encoding:
            side = frozenset(t.label for t in split.leafset_taxa(namespace))
            side = frozenset(taxa) - side if taxa[0] in side else side
            if 2 <= len(side) <= len(taxa) - 2:
                sides.add(side)
        for side in sides:
            expected[side] = expected.get(side, 0.0) + p
    found = shared_splits(result, taxa)
    assert found.keys() == expected.keys()
    for side, p in expected.items():
        assert found[side] == pytest.approx(p)


def test_concordance_is_the_mean_over_loci(batch, tmp_path):  # noqa: F811
    taxa, splits, n_loci = concordance(batch)
    assert taxa == tuple(f"t{i}" for i in range(6))
    assert n_loci == 3
    assert sum(s.concordance for s in splits) == pytest.approx(3)  # every tree has N - 3 of them
    each = [shared_splits(make_result(n_taxa=6 + i, seed=i), taxa) for i in range(3)]
    for split in splits:
        values = [found.get(frozenset(split.taxa), 0.0) for found in each]
        assert split.concordance == pytest.approx(np.mean(values))
        assert split.standard_error == pytest.approx(np.std(values, ddof=1) / np.sqrt(3), abs=1e-9)
        assert (split.lowest, split.highest) == pytest.approx((min(values), max(values)))
    write_concordance(tmp_path / "c.tsv", splits)
    assert len((tmp_path / "c.tsv").read_text().splitlines()) == 1 + len(splits)


def test_taxa_that_only_some_loci_have(batch):  # noqa: F811
    assert concordance(batch, taxa=["t0", "t1", "t2", "t7"])[2] == 1
    with pytest.raises(InputError, match="no locus has all"):
        concordance(batch, taxa=["t0", "t1", "t2", "x"])
    with pytest.raises(InputError, match="at least 4"):
        concordance(batch, taxa=["t0", "t1", "t1", "t2"])


def test_results_keep_their_taxa_apart():
    result = make_result()
    other = replace(result, taxa=tuple(reversed(result.taxa)))
    assert shared_splits(result, result.taxa) != shared_splits(other, result.taxa)
