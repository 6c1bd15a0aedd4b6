import gzip

import numpy as np
import pytest

from vbpi_mix.errors import SupportError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import random_topologies
from vbpi_mix.support import SubsplitSupport, build_support, encode, represented


@pytest.fixture
def support():
    return build_support(random_topologies(20, 70, np.random.default_rng(6)))


def test_saved_and_loaded(support, tmp_path):
    np.savez(tmp_path / "support.npz", **support.arrays())
    with np.load(tmp_path / "support.npz") as arrays:
        loaded = SubsplitSupport.from_arrays(arrays)
    assert loaded == support
    assert loaded.content_hash == support.content_hash
    assert hash(loaded) == hash(support)
    np.testing.assert_array_equal(loaded.segments.entries, support.segments.entries)


def test_hash_sees_every_array(support):
    hashes = {support.content_hash}
    for name in ("splits", "tripartitions", "adjacencies"):
        changed = dict(support.arrays())
        changed[name] = changed[name].copy()
        changed[name][-1, 0] ^= changed[name].dtype.type(1)
        hashes.add(SubsplitSupport.from_arrays(changed).content_hash)
    assert len(hashes) == 4
    assert support != "a support"


def test_damaged_arrays_are_refused(support):
    arrays = support.arrays()
    with pytest.raises(SupportError, match="lacks tripartitions"):
        SubsplitSupport.from_arrays({k: v for k, v in arrays.items() if k != "tripartitions"})
    with pytest.raises(SupportError, match="splits is int64"):
        SubsplitSupport.from_arrays(arrays | {"splits": arrays["splits"].astype(np.int64)})
    with pytest.raises(SupportError, match=r"adjacencies is int32 \(\d+, 2\)"):
        SubsplitSupport.from_arrays(arrays | {"adjacencies": arrays["adjacencies"][:, :2]})
    broken = arrays["tripartitions"].copy()
    broken[0, 0] = support.n_splits
    with pytest.raises(SupportError, match="outside"):
        SubsplitSupport.from_arrays(arrays | {"tripartitions": broken})


# figures of ../shared/data/phylo/support_trees/README.md, made by another program: non-trivial splits, root splits,
# parents other than the root, parent-child pairs (all conventions as here); posterior mass with some and every rooting
REFERENCE = {
    "DS1": (402, 429, 5983, 14623, 0.99994, 0.99990),
    "DS4": (403, 444, 6619, 16186, 0.99981, 0.99974),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_counts_and_coverage_of_bootstrap_trees(name, shared_data, tmp_path):
    taxa = read_alignment(shared_data / f"phylo/alignments/{name}.fasta").taxa
    candidates = read_trees([shared_data / f"phylo/support_trees/{name}.ufboot.topologies.tsv.gz"], taxa)
    support = build_support(candidates.topologies)
    splits, root_splits, parents, pairs, some, every = REFERENCE[name]
    assert support.n_splits - support.n_taxa == splits
    assert support.n_rootsplits == root_splits
    assert support.segments.n_segments - 1 == parents
    assert support.n_pcsps == pairs
    assert support.n_params == root_splits + pairs
    assert represented(support, candidates.topologies).all()

    golden = shared_data / f"phylo/reference_posteriors/{name}.golden.topologies.tsv.gz"
    with gzip.open(golden, "rt") as rows:
        fields = [line.rstrip("\n").split("\t") for line in rows][1:]
    weighted = tmp_path / "golden.tsv"
    weighted.write_text("".join(f"{row[1]}\t{row[-1]}\n" for row in fields))
    posterior = read_trees([weighted], taxa)
    assert posterior.n_trees == len(fields)
    rootings = encode(support, posterior.topologies).n_represented_rootings()
    mass = posterior.probabilities()
    assert mass[rootings > 0].sum() == pytest.approx(some, abs=6e-6)
    assert mass[rootings == posterior.topologies.n_edges].sum() == pytest.approx(every, abs=6e-6)
