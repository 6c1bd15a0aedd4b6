"""A whole locus, against the posterior of five taxa by importance sampling over all topologies."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration.simulate import simulate
from tests.anneal.examples import exact_posterior
from vbpi_mix.batch.locus import LocusTask, do_locus, infer_locus
from vbpi_mix.batch.options import Locus, LocusOptions
from vbpi_mix.batch.result import load_result
from vbpi_mix.errors import InputError
from vbpi_mix.io.alignments import write_fasta
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.priors import ExponentialBranchPrior
from vbpi_mix.phylo import all_topologies, site_patterns


@pytest.fixture(scope="module")
def locus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locus")
    alignment = simulate(5, 40, np.random.default_rng(7), mean_length=0.1)[0]
    write_fasta(alignment, folder / "five.fasta")
    return Locus(name="five", path=folder / "five.fasta", options=LocusOptions(model="JC69", depth="topologies"))


def test_short_chains_give_the_posterior(locus, tmp_path):
    row = do_locus(LocusTask(locus=locus, output=tmp_path))
    assert row.level in ("good", "fair")
    result = load_result(locus.result_path(tmp_path))
    alignment = simulate(5, 40, np.random.default_rng(7), mean_length=0.1)[0]
    model = PhyloModel(
        site_patterns(alignment), 5, substitution_model="JC69", branch_prior=ExponentialBranchPrior(10.0)
    )
    log_ml, _ = exact_posterior(model, n_draws=20_000)
    exact = np.exp(log_ml - np.logaddexp.reduce(log_ml))
    found = np.zeros(15)
    every = all_topologies(5).children
    for topology, p in zip(result.topologies.children, result.probabilities, strict=True):
        found[int(np.flatnonzero((every == topology).all(axis=(1, 2)))[0])] = p
    # four chains of 60 rounds: at least 60 independent trees, five standard errors
    assert np.abs(found - exact).max() < 5 * np.sqrt(0.25 / 60)
    assert np.abs(found - exact).sum() < 0.5


def test_equal_seeds_give_equal_results(locus):
    one, two = infer_locus(locus, "k"), infer_locus(locus, "k")
    np.testing.assert_array_equal(one.probabilities, two.probabilities)
    np.testing.assert_array_equal(one.branch_lengths, two.branch_lengths)
    other = infer_locus(replace(locus, options=replace(locus.options, seed=2)), "k")
    assert not np.array_equal(one.branch_lengths, other.branch_lengths[: len(one.branch_lengths)])


def test_annealing_gives_the_marginal_likelihood(locus):
    result = infer_locus(replace(locus, options=replace(locus.options, depth="anneal")), "k")
    alignment = simulate(5, 40, np.random.default_rng(7), mean_length=0.1)[0]
    model = PhyloModel(
        site_patterns(alignment), 5, substitution_model="JC69", branch_prior=ExponentialBranchPrior(10.0)
    )
    log_ml, _ = exact_posterior(model, n_draws=20_000)
    value, error = result.log_ml
    assert abs(value - np.logaddexp.reduce(log_ml)) < 0.1 + 5 * error


def test_what_goes_wrong_is_a_row(tmp_path, locus):
    (tmp_path / "bad.fasta").write_text("no alignment\n")
    bad = Locus(name="bad", path=tmp_path / "bad.fasta", options=locus.options)
    row = do_locus(LocusTask(locus=bad, output=tmp_path))
    assert row.failed
    assert "unknown alignment format" in row.error
    with pytest.raises(InputError):
        infer_locus(bad, "k")
    gone = Locus(name="gone", path=tmp_path / "gone.fasta", options=locus.options)
    assert "cannot be read" in do_locus(LocusTask(locus=gone, output=tmp_path)).error
