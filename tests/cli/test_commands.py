"""The program as a user runs it: output, exit statuses, one line per error."""

import json
import runpy
import sys

import dendropy
import pytest
import torch

from tests.experiment.few_draws import learn_from
from tests.experiment.simulated import write_example
from vbpi_mix._version import __version__


@pytest.fixture
def example(tmp_path):
    return write_example(tmp_path)


def test_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["vbpi_mix", "--version"])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_module("vbpi_mix", run_name="__main__")
    assert not exit_.value.code
    assert capsys.readouterr().out.strip() == __version__


FAST = ("--model", "JC69", "--iterations", 60, "--components", 2, "--sampled", 1, "--particles", 4, "--seed", 3)


def test_the_whole_path(program, example, tmp_path):
    alignment, trees = example
    run = tmp_path / "run"
    status, out, err = program("fit", alignment, "-o", run, "--trees", trees, *FAST)
    assert status == 0, err
    assert "marginal log-likelihood (natural log)" in out
    assert "taxon 2" in out  # the consensus is drawn with the names of the file
    assert "training: 60 of 60" in err
    assert "6 taxa, 200 sites" in err

    status, out, _ = program("evaluate", run, "--json", "--samples", 100, "--repeats", 10, "-q")
    values = json.loads(out)
    assert status == 0
    for name in ("elbo", "lb10", "log_ml", "log_ml_pooled"):
        assert values[f"{name}_se"] >= 0
        assert values[name] < 0
    assert values["ess"] > 1
    assert "pareto_k" in values

    status, out, _ = program("sample", run, "-n", 25)
    assert status == 0
    path = run / "posterior" / "sample.trees"
    listed = dendropy.TreeList.get(path=str(path), schema="nexus", preserve_underscores=True)
    assert len(listed) == 25
    assert {t.label for t in listed.taxon_namespace} == {"t0", "t1", "taxon 2", "t3", "t4", "t5"}
    status, _, _ = program("sample", run, "-n", 7, "-o", tmp_path / "other.trees")
    assert len(dendropy.TreeList.get(path=str(tmp_path / "other.trees"), schema="nexus")) == 7


def test_resume_from_the_command_line(program, example, tmp_path):
    alignment, trees = example
    run = tmp_path / "run"
    program("fit", alignment, "-o", run, "--trees", trees, *FAST, "-q")
    status, _, err = program("fit", alignment, "-o", run, "--resume", "--iterations", 90)
    assert status == 0, err
    assert "training: 90 of 90" in err
    status, _, err = program("fit", alignment, "-o", run, "--resume", "--seed", 4)
    assert status == 2
    assert "seed = 3, now it is 4" in err


def test_learned_weights(program, example, tmp_path, monkeypatch):
    learn_from(monkeypatch, n_draws=4000, draws_at_once=500)
    alignment, trees = example
    run, plain = tmp_path / "run", tmp_path / "plain"
    status, out, err = program("fit", alignment, "-o", run, "--trees", trees, *FAST, "--learn-weights")
    assert status == 0, err
    line = next(line for line in out.splitlines() if line.startswith("component weights"))
    assert " nats on held-out draws; " in line
    assert "component weights: 4 of 4" in err
    few = ("--samples", 100, "--repeats", 10, "-q")
    values = json.loads(program("evaluate", run, "--json", *few)[1])
    assert sum(values["component_weights"]["weights"]) == pytest.approx(1)
    status, out, _ = program("evaluate", run, *few)
    assert out.splitlines()[0].startswith("component weights ")

    program("fit", alignment, "-o", plain, "--trees", trees, *FAST, "-q")
    before = {p: p.read_bytes() for p in plain.rglob("*") if p.is_file()}
    one = json.loads(program("evaluate", plain, "--json", *few)[1])
    both = json.loads(program("evaluate", plain, "--json", "--learn-weights", *few)[1])
    assert "component_weights" not in one
    assert both["uniform"]["elbo"] == one["elbo"]
    assert both["component_weights"] == values["component_weights"]  # equal seeds, the same training
    assert {"learned", "warning", "iteration"} <= set(both)
    one = json.loads(program("evaluate", plain, "--json", "--learn-weights", "--weight-particles", 1, *few)[1])
    assert one["component_weights"]["n_particles"] == 1 != both["component_weights"]["n_particles"] == 4
    status, _, err = program("evaluate", plain, "--weight-particles", 1, *few)
    assert status == 2
    assert "--learn-weights" in err
    status, out, _ = program("evaluate", plain, "--learn-weights", *few)
    assert status == 0
    assert out.splitlines()[1].split() == ["equal", "weights", "these", "weights"]
    row = next(line for line in out.splitlines() if line.startswith("elbo")).split()
    assert [float(row[1]), float(row[4])] == pytest.approx([both["uniform"]["elbo"], both["learned"]["elbo"]], abs=1e-4)
    assert {p: p.read_bytes() for p in plain.rglob("*") if p.is_file()} == before


def test_likelihood_prints_one_number_to_all_its_digits(program, tmp_path):
    alignment, tree = tmp_path / "a.fasta", tmp_path / "t.nwk"
    alignment.write_text(">a\nACGT\n>b\nACGA\n>c\nACTA\n>d\nACTT\n")
    tree.write_text("((a:0.1,b:0.2):0.05,c:0.3,d:0.1);\n")
    status, out, _ = program("likelihood", alignment, tree, "--model", "JC69")
    assert status == 0
    assert out.strip() == repr(float(out))
    assert -25 < float(out) < -10


def test_errors_are_one_line_with_exit_status_2(program, example, tmp_path):
    alignment, trees = example
    protein = tmp_path / "protein.fasta"
    protein.write_text("".join(f">p{i}\nMKVLAAGIVGLLLAQWERTYIPSDFGHKLCVNM\n" for i in range(5)))
    other = tmp_path / "other.nwk"
    other.write_text("((t0,t1),t9,(t3,(t4,t5)));\n")
    whole = tmp_path / "whole.nwk"
    whole.write_text("(t0:1,t1:1,('taxon 2':1,(t3:1,(t4:1,t5:1):1):1):1);\n")
    bare = tmp_path / "bare.nwk"
    bare.write_text(trees.read_text().splitlines()[0])
    broken = tmp_path / "broken.nwk"
    broken.write_text(bare.read_text().replace(",", "::", 1))
    run = tmp_path / "run"
    cases = [
        (("fit", tmp_path / "absent.fasta", "-o", run), "absent.fasta"),
        (("fit", protein, "-o", run, "--model", "GTR+G4"), "protein"),
        (("fit", alignment, "-o", run, "--trees", other), "t9"),
        (("fit", alignment, "-o", run, "--trees", trees, "--components", 2, "--sampled", 3), "cannot sample 3 of 2"),
        (("fit", alignment, "-o", run, "--trees", trees, "--flow", "glow"), "identity"),
        (("fit", alignment, "-o", run, "--trees", trees, "--model", "GTR{1,2}"), "GTR{1.2,"),
        (("fit", alignment, "-o", run, "--device", "tpu"), "unknown device 'tpu': choose one of cpu, cuda, auto"),
        (("fit", alignment, "-o", run, "--max-time", "soon"), "not a time"),
        *(
            []
            if torch.cuda.is_available()
            else [(("fit", alignment, "-o", run, "--device", "cuda"), "finds no CUDA device")]
        ),
        (("fit", alignment), "--output"),
        (("fit", alignment, "-o", run, "--iteration", 5), "--iteration"),
        (("evaluate", run), "no such folder"),
        (("anneal", run, "--device", "tpu"), "unknown device 'tpu': choose one of cpu, cuda, auto"),
        (("likelihood", alignment, bare), "no branch lengths"),
        (("likelihood", alignment, tmp_path / "absent.nwk"), "absent.nwk"),
        (("likelihood", alignment, whole, "--model", "GTR+G4"), "`vbpi-mix fit` infers what has no value"),
        (("likelihood", alignment, broken), "broken.nwk: "),
        (("nonsense",), "nonsense"),
    ]
    for arguments, expected in cases:
        status, out, err = program(*arguments)
        assert status == 2, (arguments, err)
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, (arguments, err)
        assert expected in lines[0], (arguments, lines)
        assert "Traceback" not in err
        assert out == ""
        assert not run.exists(), arguments


def test_help_has_an_example_for_every_command(program):
    for command in ("fit", "evaluate", "sample", "likelihood"):
        status, out, _ = program(command, "--help")
        assert status == 0
        assert f"Example: vbpi-mix {command}" in out
    status, out, _ = program("--version")
    assert out.strip().count(".") == 2
