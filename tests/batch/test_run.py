"""What is done, kept, done again, and written, with results that are made up in this process."""

from dataclasses import dataclass, field, replace

import pytest

from tests.batch.test_result import make_result
from vbpi_mix.batch.options import LocusOptions, find_loci
from vbpi_mix.batch.run import Workers, describe_failures, parse_memory, results_of, run_batch
from vbpi_mix.batch.table import TABLE, read_rows, row_of_error, row_of_result
from vbpi_mix.errors import ConfigError, InputError


@dataclass(frozen=True, kw_only=True)
class Here(Workers):
    """Fails loci whose file says so."""

    did: list[str] = field(default_factory=list)

    def rows(self, tasks, reporter):  # noqa: ARG002
        for task in tasks:
            locus = task.locus
            self.did.append(locus.name)
            if "bad" in locus.path.read_text():
                yield row_of_error(locus.name, locus.key(), "a bad file")
                continue
            result = replace(make_result(name=locus.name), key=locus.key())
            path = locus.result_path(task.output)
            path.parent.mkdir(parents=True, exist_ok=True)
            result.save(path)
            yield row_of_result(result)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / f"{name}.fasta").write_text(name)
    (tmp_path / "in" / "d.fasta").write_text("bad")
    return tmp_path / "in"


def test_a_second_call_does_what_failed_or_changed(folder, tmp_path):
    out, options = tmp_path / "out", LocusOptions()
    first = run_batch(find_loci(folder, options), out, workers=Here())
    assert (first.n_before, first.count("good"), first.count("failed")) == (0, 3, 1)
    assert describe_failures(first.rows) == ["d: a bad file"]
    assert "a bad file" in (out / "index.html").read_text()
    (folder / "b.fasta").write_text("other")
    workers = Here()
    second = run_batch(find_loci(folder, options), out, workers=workers)
    assert workers.did == ["b", "d"]
    assert second.n_before == 2
    workers = Here()
    run_batch(find_loci(folder, replace(options, seed=2)), out, workers=workers)
    assert workers.did == ["a", "b", "c", "d"]
    assert [row.locus for row, _ in results_of(out)] == ["a", "b", "c"]


def test_a_result_without_a_line_is_kept(folder, tmp_path):
    out = tmp_path / "out"
    run_batch(find_loci(folder, LocusOptions()), out, workers=Here())
    (out / TABLE).unlink()
    workers = Here()
    run_batch(find_loci(folder, LocusOptions()), out, workers=workers)
    assert workers.did == ["d"]
    assert set(read_rows(out / TABLE)) == {"a", "b", "c", "d"}


def test_a_damaged_result_and_a_cut_line_are_done_again(folder, tmp_path):
    out = tmp_path / "out"
    loci = find_loci(folder, LocusOptions())
    run_batch(loci, out, workers=Here())
    (out / TABLE).write_text((out / TABLE).read_text()[:-10])
    loci[0].result_path(out).unlink()
    workers = Here()
    run_batch(loci, out, workers=workers)
    assert workers.did == ["a", "d"]
    assert len(read_rows(out / TABLE)) == 4


def test_memory_is_read():
    assert parse_memory("2G") == 2**31
    assert parse_memory("1.5 MiB") == 3 * 2**19
    for text in ("", "2T", "-1G", "0"):
        with pytest.raises(ConfigError, match="no amount of memory"):
            parse_memory(text)


def test_wrong_folders(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        run_batch(find_loci(folder, LocusOptions()), tmp_path / "file", workers=Here())
    with pytest.raises(ConfigError, match="at least 1"):
        Workers(number=0)
