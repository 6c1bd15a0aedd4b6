"""Tasks at the same time."""

import threading

import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.threads import get_threads, run_tasks, set_threads


def test_set_and_get():
    try:
        set_threads(3)
        assert get_threads() == 3
    finally:
        set_threads(None)
    assert get_threads() >= 1
    with pytest.raises(ConfigError, match="at least 1"):
        set_threads(0)


@pytest.mark.parametrize("n_tasks", [1, 2, 5])
def test_tasks_run_at_the_same_time(n_tasks):
    barrier = threading.Barrier(n_tasks, timeout=30)
    done = []

    def task(i):
        barrier.wait()
        done.append(i)

    run_tasks([lambda _, i=i: task(i) for i in range(n_tasks)], lambda: None, n_tasks)
    assert sorted(done) == list(range(n_tasks))


@pytest.mark.parametrize("n_workers", [1, 2, 3, 50])
def test_every_task_runs_once_with_the_workspace_of_its_thread(n_workers):
    made, used = [], []

    def make():
        workspace = (threading.get_ident(), len(made))
        made.append(workspace)
        return workspace

    def task(workspace, i):
        assert workspace[0] == threading.get_ident()
        used.append(i)

    run_tasks([lambda w, i=i: task(w, i) for i in range(20)], make, n_workers)
    assert sorted(used) == list(range(20))
    assert len(made) <= min(n_workers, 20)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_errors_of_tasks_are_raised(n_workers):
    def task(_, i):
        if i == 3:
            raise ValueError("task 3")

    with pytest.raises(ValueError, match="task 3"):
        run_tasks([lambda w, i=i: task(w, i) for i in range(6)], lambda: None, n_workers)


def test_calls_from_several_threads():
    counts = []

    def caller():
        for _ in range(20):
            run_tasks([lambda _: counts.append(1)] * 3, lambda: None, 3)

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert len(counts) == 4 * 20 * 3
