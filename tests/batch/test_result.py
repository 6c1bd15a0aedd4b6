import numpy as np
import pytest

from vbpi_mix.batch.result import LocusResult, load_result
from vbpi_mix.errors import CheckpointError
from vbpi_mix.phylo import random_topologies


def make_result(n_taxa=6, n_topologies=5, n_trees=20, seed=0, name="locus"):
    generator = np.random.default_rng(seed)
    topologies = random_topologies(n_topologies, n_taxa, generator).unique()[0]
    p = np.sort(generator.dirichlet(np.ones(topologies.n_trees)))[::-1]
    return LocusResult(
        name=name,
        key="0123",
        taxa=tuple(f"t{i}" for i in range(n_taxa)),
        topologies=topologies,
        probabilities=p,
        tree_topology=generator.choice(topologies.n_trees, size=n_trees, p=p),
        branch_lengths=generator.exponential(0.1, size=(n_trees, 2 * n_taxa - 3)).astype(np.float32),
        parameters=generator.random((n_trees, 2)).astype(np.float32),
        parameter_names=("kappa", "alpha"),
        n_sites=100,
        depth="topologies",
        level="good",
        verdict="fine",
        agreement={"asdsf": 0.01},
    )


def test_a_result_comes_back(tmp_path):
    result = make_result()
    result.save(tmp_path / "x.npz")
    again = load_result(tmp_path / "x.npz")
    assert again.taxa == result.taxa
    assert np.isnan(again.log_ml).all()
    for name in ("probabilities", "tree_topology", "branch_lengths", "parameters"):
        np.testing.assert_array_equal(getattr(again, name), getattr(result, name))
    np.testing.assert_array_equal(again.topologies.children, result.topologies.children)


def test_split_frequencies_are_sums_over_topologies():
    result = make_result(seed=3)
    clades, probability = result.split_frequencies()
    assert probability.sum() == pytest.approx(result.n_taxa - 3)
    words = result.topologies.clades()[:, result.n_taxa :]
    for clade, p in zip(clades, probability, strict=True):
        has = (words == clade).all(axis=2).any(axis=1)
        assert p == pytest.approx(result.probabilities[has].sum())


def test_a_damaged_result_is_named(tmp_path):
    make_result().save(tmp_path / "x.npz")
    content = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"x\.npz: damaged"):
        load_result(tmp_path / "x.npz")
