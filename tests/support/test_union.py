import numpy as np
import pytest
import torch

from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import TopologyBatch, random_topologies
from vbpi_mix.sbn import SubsplitBayesianNetworks
from vbpi_mix.support import build_support, encode
from vbpi_mix.support.union import embed, union


@pytest.mark.parametrize(("n_taxa", "n_trees"), [(3, 1), (4, 2), (5, 4), (9, 30), (70, 12)])
def test_the_union_is_the_support_of_all_trees(n_taxa, n_trees):
    rng = np.random.default_rng(n_taxa)
    a, b = (random_topologies(n_trees, n_taxa, rng) for _ in range(2))
    first, second = build_support(a), build_support(b)
    whole = union(first, second)
    assert whole == build_support(TopologyBatch(np.concatenate([a.children, b.children])))
    assert union(second, first) == whole
    assert union(first, first) == first


def test_embedded_ids_are_those_that_encoding_gives():
    rng = np.random.default_rng(1)
    a, b = (random_topologies(20, 11, rng) for _ in range(2))
    small = build_support(a)
    large = union(small, build_support(b))
    embedding = embed(small, large)
    old, new = encode(small, a), encode(large, a)
    assert (embedding.splits[old.split_ids] == new.split_ids).all()
    assert (embedding.tripartitions[old.tripartition_ids] == new.tripartition_ids).all()
    assert (embedding.adjacencies[old.adjacency_ids] == new.adjacency_ids).all()


def test_entries_keep_their_parents_and_children():
    rng = np.random.default_rng(2)
    a, b = (random_topologies(15, 9, rng) for _ in range(2))
    small = build_support(a)
    large = union(small, build_support(b))
    entries = embed(small, large).entries()
    assert len(np.unique(entries)) == small.n_params
    old, new = small.segments, large.segments
    pairs = np.unique(np.stack([old.segment_of_entry, new.segment_of_entry[entries]]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]  # one to one
    subsplit = entries[small.n_splits : small.n_splits + 3 * small.n_tripartitions] - large.n_splits
    inner = old.child_of_entry >= 0
    assert (subsplit[old.child_of_entry[inner]] == new.child_of_entry[entries[inner]]).all()


def test_a_model_whose_new_entries_are_impossible_is_the_old_one():
    rng = np.random.default_rng(3)
    a, b = (random_topologies(10, 8, rng) for _ in range(2))
    small = build_support(a)
    large = union(small, build_support(b))
    logits = np.full((2, large.n_params), -600.0)
    old = rng.normal(size=(2, small.n_params))
    logits[:, embed(small, large).entries()] = old
    before = SubsplitBayesianNetworks(small, 2, logits=torch.from_numpy(old)).log_prob(encode(small, a))
    after = SubsplitBayesianNetworks(large, 2, logits=torch.from_numpy(logits)).log_prob(encode(large, a))
    np.testing.assert_allclose(after.detach(), before.detach(), rtol=1e-12)


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(4)
    a, b = (build_support(random_topologies(3, 9, rng)) for _ in range(2))
    with pytest.raises(SupportError, match="take their union"):
        embed(a, b)
    with pytest.raises(SupportError, match="9 and 8 taxa"):
        union(a, build_support(random_topologies(1, 8, rng)))
