"""kill -9 at random moments: the command given again ends with the same bits.

`VBPI_MIX_KILLS` says how often (once for each stage if not set); `python -m tests.faults.kills` goes on.
"""

import os
import random

import pytest

from tests.faults.kills import STAGES, disturbed, prepare, reference

_SLOW = ("refresh", "weights", "parameters", "chains", "anneal")
KILLS = int(os.environ.get("VBPI_MIX_KILLS", "1"))


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in _SLOW)) for name in STAGES])
def test_what_was_killed_goes_on_to_the_same_end(name, tmp_path):
    stage = STAGES[name]
    seconds = reference(stage, tmp_path / "whole")
    prepare(stage, tmp_path / "parts")
    disturbed(stage, tmp_path / "parts", KILLS, seconds, random.Random(len(name)))
    assert stage.differences(tmp_path / "whole", tmp_path / "parts") == []
