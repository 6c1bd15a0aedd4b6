import pytest

from vbpi_mix.cli.options import parse_duration
from vbpi_mix.errors import ConfigError


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172800)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5m", "0", "10 minutes", "1e3"])
def test_durations_that_are_none(text):
    with pytest.raises(ConfigError, match="10m"):
        parse_duration(text)
