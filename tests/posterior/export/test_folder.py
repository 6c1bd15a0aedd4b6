"""The folder as a whole; DendroPy summarises the written sample on its own and must agree."""

from dataclasses import replace

import dendropy
import numpy as np
import pytest
from dendropy.calculate import treecompare

from tests.posterior.examples import made_up_draws
from vbpi_mix.errors import InputError
from vbpi_mix.io.trees import read_trees
from vbpi_mix.posterior.consensus import consensus_tree
from vbpi_mix.posterior.export.consensus_files import consensus_newick
from vbpi_mix.posterior.export.folder import write_posterior, write_sample
from vbpi_mix.posterior.summaries import summarise_splits
from vbpi_mix.posterior.weighted_sample import WeightedSample

NAMES = {
    "sample.trees", "consensus.nwk", "consensus.nex", "consensus.svg", "consensus.png", "splits.tsv", "topologies.tsv",
    "parameters.tsv",
}  # fmt: skip


def read_with_dendropy(path):
    return dendropy.TreeList.get(path=str(path), schema="nexus", preserve_underscores=True)


def test_what_is_written(tmp_path):
    folder = tmp_path / "run" / "posterior"
    summary = write_posterior(
        folder, WeightedSample(draws=made_up_draws()), np.random.default_rng(1), n_samples=123, n_topologies=2
    )
    assert {p.name for p in folder.iterdir()} == NAMES == summary.files.keys()
    assert len(read_with_dendropy(summary.files["sample.trees"])) == 123
    assert len(summary.files["topologies.tsv"].read_text().splitlines()) == 3
    assert len(summary.files["splits.tsv"].read_text().splitlines()) == 1 + summary.splits.n_splits
    assert summary.files["consensus.png"].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in summary.files["consensus.svg"].read_text()


def test_equal_seeds_write_equal_files(tmp_path):
    for name in ("a", "b"):
        write_posterior(tmp_path / name, WeightedSample(draws=made_up_draws()), np.random.default_rng(1), n_samples=50)
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize("n_taxa", [5, 12, 70])
def test_dendropy_agrees_on_splits_lengths_and_consensus(tmp_path, n_taxa):
    draws = made_up_draws(60, n_taxa, equal=True)
    path = tmp_path / "sample.trees"
    write_sample(draws, path)
    trees = read_with_dendropy(path)
    assert [t.label for t in trees.taxon_namespace] == list(draws.taxa)
    assert not trees[0].is_rooted

    splits = summarise_splits(draws)
    theirs = trees.split_distribution(is_bipartitions_updated=False)
    lengths = {s: np.mean(values) for s, values in theirs.split_edge_lengths.items() if None not in values}
    everyone = trees.taxon_namespace.all_taxa_bitmask()
    for i in range(splits.n_splits):
        mask = trees.taxon_namespace.taxa_bitmask(labels=splits.members(i))
        key = mask if mask in theirs.split_counts else everyone & ~mask
        assert theirs[key] == pytest.approx(splits.frequency[i])
        assert lengths[key] == pytest.approx(splits.mean_length[i], rel=1e-6)

    ours = dendropy.Tree.get(
        data=consensus_newick(consensus_tree(splits)),
        schema="newick",
        taxon_namespace=trees.taxon_namespace,
        preserve_underscores=True,
        rooting="force-unrooted",
    )
    reference = trees.consensus(min_freq=0.5, is_bipartitions_updated=False)
    ours.encode_bipartitions()
    reference.encode_bipartitions()
    assert len(list(reference.preorder_internal_node_iter())) > 2, "a star has nothing to compare"
    assert treecompare.symmetric_difference(ours, reference) == 0


def test_our_reader_gets_the_sample_back(tmp_path):
    draws = made_up_draws(80)
    summary = write_posterior(tmp_path, WeightedSample(draws=draws), np.random.default_rng(2), n_samples=400)
    sample = read_trees([summary.files["sample.trees"]], draws.taxa)
    assert sample.weights.sum() == 400
    probability = {t.children.tobytes(): p for t, p in zip(sample.topologies, sample.probabilities(), strict=True)}
    for topology, p in zip(summary.topologies.topologies, summary.topologies.probability, strict=True):
        # systematic resampling: each draw's count is within one of its expectation
        assert probability.get(topology.children.tobytes(), 0) == pytest.approx(p, abs=80 / 400)


def test_weighted_draws_are_not_written_as_a_sample(tmp_path):
    with pytest.raises(InputError, match="resample"):
        write_sample(made_up_draws(10), tmp_path / "sample.trees")
    assert not list(tmp_path.iterdir())


def test_wrong_arguments_write_nothing(tmp_path):
    folder = tmp_path / "posterior"
    for wrong in ({"outgroup": "Bos"}, {"threshold": 0.2}, {"n_samples": 0}):
        with pytest.raises(InputError):
            write_posterior(folder, WeightedSample(draws=made_up_draws(30)), np.random.default_rng(1), **wrong)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot make the folder"):
        write_posterior(
            tmp_path / "file" / "posterior", WeightedSample(draws=made_up_draws(30)), np.random.default_rng(1)
        )


def test_consensus_uses_the_weights_not_the_counts(tmp_path):
    draws = made_up_draws(60, 8, n_topologies=2, equal=True)
    rare = draws.topologies.unique()[1] == 1
    assert 0 < rare.sum() < 30
    weighted = replace(draws, log_weights=np.where(rare, 5.0, 0.0))
    summary = write_posterior(tmp_path, WeightedSample(draws=weighted), np.random.default_rng(1), n_samples=10)
    assert summary.topologies.topologies.children[0].tobytes() == draws.topologies.children[rare][0].tobytes()
    assert summary.topologies.probability[0] > 0.9
