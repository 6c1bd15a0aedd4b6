"""Colours can be read on white."""

import pytest

from vbpi_mix.posterior.drawing import palette


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["INK", "QUIET", "BRANCH", "BLUE", "ORANGE", "GREEN"])
def test_what_is_drawn_can_be_read_on_white(name):
    assert 1.05 / (luminance(getattr(palette, name)) + 0.05) > 4.5  # WCAG 2.1, level AA
