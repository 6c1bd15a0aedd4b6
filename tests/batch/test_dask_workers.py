import pytest

from tests.batch.test_pool import tasks
from vbpi_mix.batch.dask_workers import LOCAL, run_on_dask
from vbpi_mix.errors import BackendError

pytest.importorskip("distributed", reason="Dask is not installed")


@pytest.mark.slow
def test_a_local_cluster_gives_a_row_for_every_task(tmp_path):
    names = [f"missing{i}" for i in range(12)]
    (tmp_path / "gone").mkdir()
    lines = []
    rows = list(run_on_dask(tasks(tmp_path / "gone", *names), LOCAL, n_workers=2, tell=lines.append))
    assert {row.locus for row in rows} == set(names)
    assert all("cannot be read" in row.error for row in rows)
    assert "2 workers" in lines[0]


@pytest.mark.slow
def test_no_scheduler_is_one_line():
    with pytest.raises(BackendError, match="no Dask scheduler at"):
        list(run_on_dask([], "tcp://127.0.0.1:1"))
