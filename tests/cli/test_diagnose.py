import html
import json

from tests.cli.test_commands import FAST, example  # noqa: F401


def test_one_run_and_two(program, example, tmp_path):  # noqa: F811
    alignment, trees = example
    one, two, other_model = tmp_path / "one", tmp_path / "two", tmp_path / "k80"
    for folder, options in ((one, ()), (two, ("--seed", 4)), (other_model, ("--model", "K80{2.0}"))):
        assert program("fit", alignment, "-o", folder, "--trees", trees, *FAST, *options, "-q")[0] == 0

    status, out, err = program("diagnose", one, "--json", "-q")
    assert status == 0, err
    values = json.loads(out)
    assert values["overall"] in ("good", "fair", "poor")
    (run,) = values["runs"]
    expected = {"log_ml", "elbo_gap", "ess", "pareto_k", "topology_entropy", "unseen_topologies", "components_died"}
    expected |= {"effective_components", "neighbour_mass"}
    assert expected <= set(run["diagnostics"])
    for diagnostic in run["diagnostics"].values():
        assert diagnostic["definition"]
        assert diagnostic["verdict"]
        assert diagnostic["level"] in ("good", "fair", "poor", "info")
    assert abs(sum(run["component_shares"]) - 1) < 1e-12
    assert values["agreement"] == {}

    status, out, err = program("diagnose", one, two, "--no-neighbours")
    assert status == 0, err
    assert "agreement of the 2 runs" in out
    assert "ASDSF between runs" in out
    assert "what the numbers are" in out
    assert "same seed" not in err
    status, out, err = program("diagnose", one, one, "--no-neighbours", "--no-definitions", "-q")
    assert "same seed" in err
    assert "what the numbers are" not in out

    status, _, err = program("diagnose", one, other_model, "-q")
    assert status == 2
    assert "K80" in err
    status, _, err = program("diagnose", tmp_path / "absent")
    assert status == 2
    assert "no such folder" in err


def test_one_verdict_everywhere(program, example, tmp_path):  # noqa: F811
    alignment, trees = example
    run = tmp_path / "run"
    status, out, err = program("fit", alignment, "-o", run, "--trees", trees, *FAST, "-q")
    assert status == 0, err
    last = out.splitlines()[-1]
    assert last.startswith("verdict: ")
    words = last.removeprefix("verdict: ")
    assert json.loads((run / "evaluation.json").read_text())["verdict"]["text"] == words
    assert words in html.unescape((run / "report.html").read_text())
    assert last in program("diagnose", run, "-q")[1].splitlines()
