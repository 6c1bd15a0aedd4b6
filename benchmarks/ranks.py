"""Where the truth of a simulation lies among posterior draws."""

from typing import Any

import numpy as np

from vbpi_mix.posterior.intervals import highest_density_interval

MASSES = (0.5, 0.95)


def judge(values: np.ndarray, truth: float, generator: np.random.Generator) -> dict[str, Any]:
    """The rank of the truth among the values as a share, and for each mass whether either kind of interval holds it."""
    below = int((values < truth).sum())
    rank = (below + generator.random()) / (len(values) + 1)
    held: dict[str, Any] = {"rank": rank, "n": len(values)}
    for mass in MASSES:
        low, high = highest_density_interval(values, mass=mass)
        held[f"shortest_{mass}"] = bool(low <= truth <= high)
        held[f"central_{mass}"] = bool(abs(rank - 0.5) <= mass / 2)
    return held
