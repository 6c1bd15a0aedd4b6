import json

from tests.cli.test_commands import FAST, example  # noqa: F401


def test_a_report(program, example, tmp_path):  # noqa: F811
    alignment, trees = example
    run = tmp_path / "run"
    status, out, err = program("fit", alignment, "-o", run, "--trees", trees, *FAST, "-q")
    assert status == 0, err
    assert "report.html" in out
    assert (run / "report.html").is_file()
    page = tmp_path / "other.html"
    status, out, err = program("report", run, "-o", page, "--outgroup", "taxon 2", "--repeats", 1, "--json", "-q")
    assert status == 0, err
    values = json.loads(out)
    assert values["report"] == str(page)
    assert "rooted at taxon 2" in page.read_text()
    assert all((run / "figures").joinpath(path.split("/")[-1]).is_file() for path in values["figures"])

    for arguments, expected in (
        ((run, "--outgroup", "taxon_9"), "taxon_9"),
        ((run, "-o", tmp_path / "absent" / "page.html"), "no such folder"),
        ((tmp_path / "absent",), "no such folder"),
    ):
        status, out, err = program("report", *arguments, "-q")
        assert status == 2
        assert expected in err
        assert out == ""
