"""`vbpi-mix anneal` as from a shell."""

import json

from tests.experiment.simulated import write_example


def test_a_run_is_annealed_and_its_files_follow(program, tmp_path):
    alignment, trees = write_example(tmp_path)
    run = tmp_path / "run"
    options = ["--model", "JC69", "--trees", trees, "--start", "list", "--finish", "importance", "--iterations", 50]
    status, _, error = program("fit", alignment, "-o", run, "-A", 1, "--quiet", *options)
    assert status == 0, error
    assert json.loads((run / "evaluation.json").read_text())["finish"] == "importance"
    status, output, error = program("anneal", run, "--particles", 16, "--groups", 3, "--rounds", 15, "--quiet")
    assert status == 0, error
    assert "marginal log-likelihood" in output
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["finish"] == "anneal"
    assert evaluation["annealing"]["n_groups"] == 3
    status, _, _ = program("anneal", run, "--particles", 16, "--groups", 2, "--rounds", 5, "--error", 5, "--quiet")
    assert status == 0
    assert json.loads((run / "evaluation.json").read_text())["annealing"]["log_ml_se"] < 5
    before = (run / "evaluation.json").read_text()
    for wrong in (0, "nan"):
        status, _, error = program("anneal", run, "--error", wrong)
        assert status == 2
        assert "must be positive" in error
        assert error.count("\n") == 1
    assert (run / "evaluation.json").read_text() == before
    status, output, _ = program("sample", run, "-n", 20, "-o", tmp_path / "out.trees")
    assert status == 0


def test_a_folder_without_a_run_is_one_line(program, tmp_path):
    status, _, error = program("anneal", tmp_path)
    assert status == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
