import time

import pytest

from vbpi_mix.clock import Clock, OutOfTimeError, time_is_up


def test_only_a_time_that_has_passed_is_up():
    now = time.perf_counter()
    assert [time_is_up(until) for until in (None, now - 1.0, now + 1e6)] == [False, True, False]


def test_a_search_without_a_limit_only_gives_signs_of_life():
    signs = []
    clock = Clock(alive=lambda: signs.append("alive"))
    clock.tick()
    clock.tick()
    assert signs == ["alive"] * 2
    assert not clock.late


def test_a_search_whose_time_is_over_ends_after_a_last_sign_of_life():
    signs = []
    clock = Clock(until=time.perf_counter() - 1.0, alive=lambda: signs.append("alive"))
    assert clock.late
    with pytest.raises(OutOfTimeError):
        clock.tick()
    assert signs == ["alive"]
    Clock(until=time.perf_counter() + 1e6).tick()
