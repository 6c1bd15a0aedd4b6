"""Weights and moments of a sample of trees, against sums over the trees."""

import numpy as np
import pytest

from vbpi_mix.phylo import all_topologies
from vbpi_mix.start.sampled import fit_parameters_to_trees, weigh_by_frequency
from vbpi_mix.start.weights import SampledTrees
from vbpi_mix.support import build_support, encode

TAXA = tuple("abcde")


def sampled(n_trees=600, n_parameters=2, seed=1):
    """Trees of three topologies; log lengths follow the parameters with the same slopes on every edge."""
    generator = np.random.default_rng(seed)
    topologies = all_topologies(5)[generator.choice([2, 7, 11], n_trees, p=[0.2, 0.5, 0.3])]
    coordinates = generator.normal([1.0, -2.0][:n_parameters], 0.3, (n_trees, n_parameters))
    slopes = np.array([0.5, -1.0])[:n_parameters]
    log_lengths = -2.0 + (coordinates @ slopes)[:, None] + generator.normal(0, 0.05, (n_trees, 7))
    return SampledTrees(topologies=topologies, log_lengths=log_lengths, coordinates=coordinates)


def test_topologies_weigh_as_often_as_they_are_there():
    trees = sampled()
    found = weigh_by_frequency(TAXA, trees)
    rows = [row.tobytes() for row in trees.topologies.children]
    assert len(found.sample.weights) == len(set(rows)) == 3
    assert (np.diff(found.sample.weights) < 0).all()
    for topology, weight, lengths in zip(
        found.sample.topologies.children, found.sample.weights, found.modes.log_lengths, strict=True
    ):
        own = np.array([row == topology.tobytes() for row in rows])
        assert weight == pytest.approx(own.mean())
        np.testing.assert_allclose(lengths, trees.log_lengths[own].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.coordinates, trees.coordinates.mean(axis=0))


def test_precisions_are_those_of_a_split_in_all_trees():
    """The split of a tip is in every tree, and many trees outweigh the usual variance."""
    trees = sampled()
    found = weigh_by_frequency(TAXA, trees)
    for tip in range(5):
        variances = np.exp(-found.laplace.log_precision[:, tip])
        assert variances == pytest.approx([trees.log_lengths[:, tip].var()] * 3, rel=0.02)


def test_log_lengths_follow_the_parameters_by_their_regression():
    trees = sampled()
    support = build_support(trees.topologies)
    found = fit_parameters_to_trees(support, trees)
    np.testing.assert_allclose(found.centre, trees.coordinates.mean(axis=0))
    np.testing.assert_allclose(found.covariance, np.cov(trees.coordinates.T, bias=True), rtol=0, atol=1e-7)
    ids = encode(support, trees.topologies).split_ids
    for tip in range(5):
        design = np.column_stack([np.ones(len(ids)), trees.coordinates])
        slopes = np.linalg.lstsq(design, trees.log_lengths[:, tip], rcond=None)[0][1:]
        np.testing.assert_allclose(found.response[ids[0, tip]], slopes, rtol=0, atol=1e-4)


def test_without_parameters_there_are_no_coordinates():
    assert weigh_by_frequency(TAXA, sampled(n_parameters=0)).coordinates is None
