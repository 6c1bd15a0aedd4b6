from collections import defaultdict

import numpy as np
import pytest

from tests.support.oracle import ROOT, described_entries
from vbpi_mix.phylo import all_topologies, random_topologies
from vbpi_mix.support import build_support


@pytest.fixture(params=[(3, None), (5, None), (6, 10), (9, 30), (66, 4)], ids=str)
def support(request):
    n_taxa, n_trees = request.param
    if n_trees is None:
        return build_support(all_topologies(n_taxa))
    return build_support(random_topologies(n_trees, n_taxa, np.random.default_rng(5)))


def test_segments_are_the_entries_of_one_parent(support):
    segments = support.segments
    by_parent = defaultdict(set)
    for i, (parent, _) in enumerate(described_entries(support)):
        by_parent[parent].add(i)
    ours = [
        frozenset(segments.entries[a:b].tolist())
        for a, b in zip(segments.pointer[:-1], segments.pointer[1:], strict=True)
    ]
    assert set(ours) == {frozenset(x) for x in by_parent.values()}
    assert ours[0] == by_parent[ROOT]
    assert len(ours) == len(by_parent) == segments.n_segments
    for s, members in enumerate(ours):
        assert (segments.segment_of_entry[list(members)] == s).all()
    np.testing.assert_array_equal(segments.sizes(), [len(x) for x in ours])


def test_what_follows_a_draw(support):
    segments = support.segments
    entries = described_entries(support)
    parent_of_segment = [entries[segments.entries[a]][0] for a in segments.pointer[:-1]]
    for entry, (_, child) in enumerate(entries):
        subsplit = segments.child_of_entry[entry]
        following = segments.after_rootsplit[entry] if subsplit < 0 else segments.after_subsplit[subsplit]
        a, b = child
        wanted = {(a, b), (b, a)}
        assert (subsplit < 0) == (entry < support.n_splits)
        assert {parent_of_segment[s] for s in following if s >= 0} == {x for x in wanted if len(x[1]) > 1}
