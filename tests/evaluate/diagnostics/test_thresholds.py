"""Levels on both sides of thresholds, and their words."""

import pytest

from vbpi_mix.evaluate.diagnostics.thresholds import Threshold

NAN = float("nan")


@pytest.mark.parametrize(
    ("threshold", "values"),
    [(Threshold(1, 2), (0.5, 1, 1.5, 2, 2.5, NAN)), (Threshold(2, 1), (2.5, 2, 1.5, 1, 0.5, NAN))],
)
def test_levels(threshold, values):
    assert [threshold.level(x) for x in values] == ["good", "good", "fair", "fair", "poor", "poor"]


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (Threshold(0.01, 0.05), "Good up to 0.01, fair up to 0.05"),
        (Threshold(0.02, 0.1, ".0%"), "Good up to 2%, fair up to 10%"),
        (Threshold(1000, 200, ","), "Good from 1,000, fair from 200"),
    ],
)
def test_words(threshold, words):
    assert threshold.words == words
