import os
import signal
import threading

import pytest

from vbpi_mix.train.interrupt import StopRequest

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ActedError(Exception):
    pass


@pytest.fixture(autouse=True)
def handlers():
    """Handlers that raise in place of those that would end the tests."""

    def act(number, _):
        raise ActedError(number)

    before = {number: signal.signal(number, act) for number in NUMBERS}
    yield act
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_remembered_and_the_second_acts(number):
    with StopRequest() as request:
        assert request.signal_number is None
        os.kill(os.getpid(), number)
        assert request.signal_number == number
        with pytest.raises(ActedError):
            os.kill(os.getpid(), number)


def test_handlers_are_put_back(handlers):
    with StopRequest():
        assert signal.getsignal(signal.SIGINT) is not handlers
    assert [signal.getsignal(number) for number in NUMBERS] == [handlers] * 3


def test_what_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    with StopRequest() as request:
        os.kill(os.getpid(), signal.SIGHUP)
        assert request.signal_number is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_other_threads_leave_handlers_alone(handlers):
    seen = []

    def enter():
        with StopRequest() as request:
            seen.append((request.signal_number, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(None, handlers)]
