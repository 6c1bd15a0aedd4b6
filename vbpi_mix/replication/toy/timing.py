"""Times of a training step of each row, measured in turns so that a slow minute of the machine hits all rows."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vbpi_mix.replication.rows import MixtureRow
from vbpi_mix.replication.toy.config import ToyConfig
from vbpi_mix.replication.toy.train import toy_objective, toy_problem, toy_settings
from vbpi_mix.seeding import torch_generator
from vbpi_mix.toys import FunnelModel, simulate_funnel
from vbpi_mix.train import fit

_STREAM = 25
# The paper's dimension, with the likelihood of a step's components one after the other and all at once; and a
# likelihood a hundred times as dear, the case that the paper's estimators are made for.
CASES = (
    {"dimension": 20, "energy": "sequential", "steps": 200},
    {"dimension": 20, "energy": "together", "steps": 200},
    {"dimension": 2_000, "energy": "sequential", "steps": 30},
)


def time_rows(
    config: ToyConfig,
    *,
    cases: Sequence[Mapping[str, Any]] = CASES,
    n_rounds: int = 7,
    on_round: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Milliseconds per training step by case and row, by the same `fit` that trains.

    Each is the median over rounds of blocks of steps, in which the rows take turns, after one round that is thrown
    away; `fastest` is the block that other programs disturbed least.

    Arguments:
        config: rows, and the data's seed and number of points.
        cases: Dimension of the data, way to compute their likelihood, and steps in a block.
        n_rounds: Number of rounds that count.
        on_round: called with (rounds done, rounds in all).
    """
    table: list[dict[str, Any]] = []
    total = len(cases) * (n_rounds + 1)
    for i, case in enumerate(cases):
        changed = replace(config, dimension=case["dimension"], energy=case["energy"])
        model, _ = simulate_funnel(config.data_seed, **changed.data())
        seconds: dict[str, list[float]] = {row.word: [] for row in config.rows}
        for round_ in range(n_rounds + 1):
            for row in config.rows:
                taken = _seconds_per_step(changed, row, model, case["steps"])
                if round_ > 0:
                    seconds[row.word].append(taken)
            if on_round is not None:
                on_round(i * (n_rounds + 1) + round_ + 1, total)
        table += [
            {
                "dimension": case["dimension"],
                "energy": case["energy"],
                "row": word,
                "ms": 1e3 * statistics.median(values),
                "fastest_ms": 1e3 * min(values),
            }
            for word, values in seconds.items()
        ]
    return table


def _seconds_per_step(config: ToyConfig, row: MixtureRow, model: FunnelModel, steps: int) -> float:
    problem = toy_problem(config, row, 1, model)
    settings = toy_settings(config, steps, metrics_every=steps)
    return (
        fit(problem, toy_objective(config, row), settings, generator=torch_generator(1, stream=_STREAM)).seconds / steps
    )
