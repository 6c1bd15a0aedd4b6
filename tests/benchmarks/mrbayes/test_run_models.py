"""Scripts for MrBayes, its files, and what is said of its chains."""

import numpy as np
import pytest

from benchmarks.mrbayes.chain_summary import effective_size, summarise_chains
from benchmarks.mrbayes.parameters import evidence_row, our_parameters, parameter_rows, split_row
from benchmarks.mrbayes.parameters_table import comparison_table, ranking_table
from benchmarks.mrbayes.run_models import model_commands, read_parameters, run_chains, run_stepping_stone
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.datasets import resolve


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.8, 0.95])
def test_effective_size_of_an_autoregression(correlation):
    generator = np.random.default_rng(1)
    n = 200_000
    values = np.zeros(n)
    noise = generator.normal(size=n)
    for i in range(1, n):
        values[i] = correlation * values[i - 1] + noise[i]
    expected = min(n, n * (1 - correlation) / (1 + correlation))
    assert effective_size(values) == pytest.approx(expected, rel=0.1)


def test_effective_size_of_a_chain_that_stands_still():
    assert effective_size(np.full(100, 0.1)) == 1.0


def test_chains_that_disagree_have_the_larger_error():
    generator = np.random.default_rng(1)
    summary = summarise_chains([generator.normal(size=5000), 3 + generator.normal(size=5000)])
    assert summary.error == pytest.approx(1.5, rel=0.05)
    assert summary.run_means == pytest.approx((0, 3), abs=0.1)
    together = summarise_chains([generator.normal(size=5000) for _ in range(2)])
    assert together.error == pytest.approx(0.01, rel=0.6)
    assert (together.low, together.high) == pytest.approx((-1.96, 1.96), abs=0.15)


@pytest.mark.parametrize(
    ("model", "lset", "fixed"),
    [
        ("JC69", "lset nst=1 rates=equal;", True),
        ("HKY", "lset nst=2 rates=equal;", False),
        ("hky+g", "lset nst=2 rates=gamma ngammacat=4;", False),
        ("K80+I", "lset nst=2 rates=propinv;", True),
        ("GTR+I+G8", "lset nst=6 rates=invgamma ngammacat=8;", False),
    ],
)
def test_commands(model, lset, fixed):
    text = model_commands(model)
    assert text.startswith(lset)
    assert ("statefreqpr=fixed(equal)" in text) == fixed
    assert "brlenspr=unconstrained:exponential(10.0)" in text


@pytest.mark.parametrize("model", ["TN93", "GTR+R4", "GTR{1,2,3,4,5}", ""])
def test_other_models_are_refused(model):
    with pytest.raises(SystemExit, match="MrBayes is not told"):
        model_commands(model)


def test_parameter_files(tmp_path):
    rows = "".join(f"{100 * i}\t-1.{i}\t0.5\t{i}\n" for i in range(8))
    (tmp_path / "x.p").write_text("[ID: 1]\nGen\tLnL\tLnPr\tTL\n" + rows)
    assert read_parameters(tmp_path / "x.p")["TL"].tolist() == [2, 3, 4, 5, 6, 7]


@pytest.mark.external("mb")
def test_a_short_run_of_mrbayes(tmp_path, monkeypatch):
    alignment = read_alignment(resolve("primates"))
    settings = {"generations": 2000, "seed": 1}
    chains = run_chains(alignment, tmp_path, "HKY+I+G4", sample_every=20, reuse=False, **settings)
    assert chains.names == ["TL", "kappa", "pi(A)", "pi(C)", "pi(G)", "pi(T)", "alpha", "pinvar"]
    stone = run_stepping_stone(alignment, tmp_path, "HKY+I+G4", generations=5100, seed=1, reuse=False)
    assert len(stone.runs) == 2
    assert all(-6200 < value < -5500 for value in stone.runs)
    rows = [*parameter_rows(chains, None), split_row(chains, alignment, None), evidence_row("HKY+I+G4", stone, None)]
    table = comparison_table("primates", rows)
    assert "| kappa | " in table
    assert "stepping stone -5" in table
    rows[-1]["mrbayes"] |= {"probability": 1.0, "place": 1}
    assert "| HKY+I+G4 | -5" in ranking_table("primates", rows[-1:])
    monkeypatch.setenv("PATH", "")  # with reuse, MrBayes is not needed
    again = run_chains(alignment, tmp_path, "HKY+I+G4", sample_every=20, reuse=True, **settings)
    assert (again.values[0]["kappa"] == chains.values[0]["kappa"]).all()


def test_our_files_are_read(tmp_path):
    (tmp_path / "posterior").mkdir()
    text = "name\tmean\tsd\tmedian\thpd_95_low\thpd_95_high\tess\nTL\t2\t0.5\t1.9\t1\t3\t900\n"
    (tmp_path / "posterior" / "parameters.tsv").write_text(text)
    found = our_parameters(tmp_path)["TL"]
    assert (found["mean"], found["low"], found["high"]) == (2, 1, 3)
