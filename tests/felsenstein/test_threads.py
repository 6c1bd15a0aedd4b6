"""Tasks at the same time."""

import threading

import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.felsenstein.threads import get_threads, run_tasks, set_threads


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
def test_all_tasks_run_and_at_the_same_time(n_tasks):
    barrier = threading.Barrier(n_tasks, timeout=30)
    done = []

    def task(i):
        barrier.wait()
        done.append(i)

    run_tasks([lambda i=i: task(i) for i in range(n_tasks)])
    assert sorted(done) == list(range(n_tasks))


@pytest.mark.parametrize("failing", [0, 1])
def test_errors_of_tasks_are_raised_after_all_have_ended(failing):
    done = []

    def task(i):
        if i == failing:
            raise ValueError(f"task {i}")
        done.append(i)

    with pytest.raises(ValueError, match=f"task {failing}"):
        run_tasks([lambda i=i: task(i) for i in range(3)])
    assert sorted(done) == sorted({0, 1, 2} - {failing})


def test_calls_from_several_threads():
    counts = []

    def caller():
        for _ in range(20):
            run_tasks([lambda: counts.append(1)] * 3)

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert len(counts) == 4 * 20 * 3
