"""Log-likelihoods of fixed trees against those of IQ-TREE, PhyML, physher and torchtree."""

import json

import numpy as np
import pytest
import torch
from scipy.special import gammainc
from scipy.stats import gamma

from tests.felsenstein.examples import Model, gtr
from vbpi_mix.felsenstein import jc69_log_likelihood, tree_log_likelihood
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.phylo import merge_relabelled, site_patterns

N_CASES = 24
DATA_SETS = [f"DS{i}" for i in range(1, 9)]


def load(shared_data, name, tree):
    alignment = read_alignment(shared_data / "phylo" / "alignments" / f"{name}.fasta")
    topology, lengths = parse_newick((shared_data / "phylo" / tree).read_text(), alignment.taxa)
    assert lengths is not None
    return topology.batch(), torch.from_numpy(lengths)[None], site_patterns(alignment)


def gamma_rates(alpha, n_rates, discretisation):
    """Yang's discrete gamma distribution with mean 1 (J. Mol. Evol. 39, 1994)."""
    if discretisation == "median":
        rates = gamma.ppf((2 * np.arange(n_rates) + 1) / (2 * n_rates), alpha)
        return rates / rates.mean()
    limits = gamma.ppf(np.arange(n_rates + 1) / n_rates, alpha)
    return n_rates * np.diff(gammainc(alpha + 1, limits))


def model_of(params):
    kappa = params.get("kappa", 1.0)
    exchange = np.array(params.get("rates_AC_AG_AT_CG_CT_GT", [1, kappa, 1, 1, kappa, 1]), dtype=float)
    frequencies = np.array(params.get("freqs_ACGT", [0.25] * 4))
    rates, weights = np.ones(1), np.ones(1)
    if "ncat" in params:
        rates = gamma_rates(params["alpha"], params["ncat"], params["discretisation"])
        weights = np.full(params["ncat"], 1 / params["ncat"])
    if "pinv" in params:
        rates = np.append(rates / (1 - params["pinv"]), 0.0)
        weights = np.append(weights * (1 - params["pinv"]), params["pinv"])
    return Model(q=gtr(exchange, frequencies), frequencies=frequencies, rates=rates, weights=weights)


def assert_as_printed(value, printed, decimals):
    assert abs(value - printed) <= 0.51 * 10.0**-decimals, f"{value!r} is not {printed!r} to {decimals} decimals"


def assert_case(case, value):
    assert abs(value - case["lnL_numpy_scipy_float64"]) < 1e-10 * 7000
    # IQ-TREE and PhyML share a gamma quantile of low precision: 5e-6 and no better for medians, 1e-8 for means
    decimals = {"median": 5, "mean": 7, None: 8}[case["params"].get("discretisation")]
    assert_as_printed(value, case["lnL_iqtree_report"], 4)
    assert_as_printed(value, case["lnL_iqtree_ckp"], decimals)
    # PhyML takes columns without data as variable; DS1 has some
    invariant = "pinv" in case["params"]
    if "lnL_phyml" in case and not (invariant and case["dataset"] == "DS1"):
        assert_as_printed(value, case["lnL_phyml"], decimals)
    if "lnL_torchtree" in case:
        assert_as_printed(value, case["lnL_torchtree"], 9)
    if "lnL_physher" in case and not invariant:  # its +I is not the usual one; its eigenvectors cost digits
        assert abs(value - case["lnL_physher"]) < 5e-7


@pytest.mark.parametrize("i", range(N_CASES))
def test_equal_to_other_programs(shared_data, i):
    cases = json.loads((shared_data / "phylo" / "likelihoods" / "cases.json").read_text())
    assert len(cases) == N_CASES
    case = cases[i]
    topologies, lengths, patterns = load(shared_data, case["dataset"], f"likelihoods/{case['tree']}")
    arguments = model_of(case["params"]).arguments(lengths.numpy())
    for backend in ("numba", "reference"):
        assert_case(case, float(tree_log_likelihood(*arguments, topologies, patterns, backend=backend)[0]))
    if case["model"] == "JC69":
        for backend in ("numba", "reference"):
            for columns in (patterns, merge_relabelled(patterns)):
                assert_case(case, float(jc69_log_likelihood(lengths, topologies, columns, backend=backend)[0]))


@pytest.mark.parametrize("name", DATA_SETS)
def test_maximum_likelihood_trees(shared_data, name):
    table = (shared_data / "phylo" / "ml_trees" / "loglik.tsv").read_text().splitlines()
    expected = {row.split("\t")[0]: float(row.split("\t")[1]) for row in table[1:]}
    topologies, lengths, patterns = load(shared_data, name, f"ml_trees/{name}.jc_ml.nwk")
    merged = merge_relabelled(patterns)
    assert merged.n_patterns < patterns.n_patterns
    assert_as_printed(float(jc69_log_likelihood(lengths, topologies, merged)[0]), expected[name], 4)
