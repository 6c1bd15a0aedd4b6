"""Substitution models on the command line: likelihoods of other programs, a whole fit, and mistakes."""

import json

import pytest

from tests.experiment.simulated import write_example
from tests.felsenstein.test_other_programs import assert_case
from vbpi_mix.experiment import fit_folder, make_config

FULL = "GTR{1.2,3.1,0.7,0.9,4.0}+F+I{0.1}+G4{0.8}"


@pytest.mark.parametrize("name", ["K80", "GTR", "GTR+I+G4 mean", "HKY85+G4 median"])
def test_likelihood(name, program, shared_data):
    folder = shared_data / "phylo" / "likelihoods"
    (case,) = [
        c for c in json.loads((folder / "cases.json").read_text()) if c["dataset"] == "DS1" and c["model"] == name
    ]
    text = case["iqtree_model"].replace("+G4", "+GA4") if "median" in name else case["iqtree_model"]
    alignment = shared_data / "phylo" / "alignments" / "DS1.fasta"
    status, out, err = program("likelihood", alignment, folder / case["tree"], "--model", text)
    assert status == 0, err
    assert out.strip() == repr(float(out))
    assert_case(case, float(out))


def test_a_whole_fit(program, tmp_path):
    """Start, training, evaluation and resuming under GTR+I+G, bit for bit as without the interruption."""
    alignment, trees = write_example(tmp_path)
    common = ("--components", 2, "--sampled", 1, "--particles", 4, "--seed", 3, "--model", FULL, "--trees", trees)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    status, _, err = program("fit", alignment, "-o", whole, *common, "--iterations", 40)
    assert status == 0, err
    settings = {"components": 2, "sampled": 1, "particles": 4, "seed": 3, "model": FULL, "trees": (str(trees),)}
    fit_folder(make_config(alignment=str(alignment), iterations=40, **settings), parts, max_seconds=0.001)
    status, _, err = program("fit", alignment, "-o", parts, "--resume")
    assert status == 0, err
    assert f'model = "{FULL}"' in (parts / "config.toml").read_text()
    evaluations = [json.loads((folder / "evaluation.json").read_text()) for folder in (whole, parts)]
    assert evaluations[0]["log_ml_pooled"] == evaluations[1]["log_ml_pooled"]
    status, out, _ = program("evaluate", parts, "--json", "--samples", 50, "--repeats", 4, "-q")
    assert status == 0
    assert json.loads(out)["log_ml_pooled"] == pytest.approx(evaluations[0]["log_ml_pooled"], abs=2)
    status, _, err = program("fit", alignment, "-o", parts, "--resume", "--model", "JC69")
    assert status == 2
    assert "the run was started with model" in err


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("HKY{2,x}", "character 7, at the ^ in HKY{2,^x} : expected a number"),
        ("XYZ", "character 1, at the ^ in ^XYZ : unknown substitution model 'XYZ'"),
    ],
)
def test_mistakes_are_one_line(model, message, program, tmp_path):
    alignment, trees = write_example(tmp_path)
    tree = tmp_path / "t.nwk"
    tree.write_text("((t0:1,t1:1):1,'taxon 2':1,(t3:1,(t4:1,t5:1):1):1);")
    run = tmp_path / "run"
    for arguments in (("likelihood", alignment, tree), ("fit", alignment, "-o", run, "--trees", trees)):
        status, out, err = program(*arguments, "--model", model)
        assert status == 2
        assert out == ""
        assert [line for line in err.splitlines() if line.startswith("error: ") and message in line], err
    assert not run.exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("GTR", "character 4, at the ^ in GTR^ : GTR needs the rates A-C, A-G, A-T, C-G, C-T in braces"),
        ("HKY{2.0}+G4", "character 12, at the ^ in HKY{2.0}+G4^ : +G4 needs the shape"),
    ],
)
def test_the_likelihood_of_a_tree_infers_nothing(model, message, program, tmp_path):
    alignment, _ = write_example(tmp_path)
    tree = tmp_path / "t.nwk"
    tree.write_text("((t0:1,t1:1):1,'taxon 2':1,(t3:1,(t4:1,t5:1):1):1);")
    status, out, err = program("likelihood", alignment, tree, "--model", model)
    assert (status, out) == (2, "")
    assert [line for line in err.splitlines() if line.startswith("error: ") and message in line], err
    values = [program("likelihood", alignment, tree, "--model", text)[1] for text in ("HKY{2.0}", "HKY{2.0}+F")]
    assert values[0] == values[1]
