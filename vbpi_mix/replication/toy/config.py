"""Configuration of the toy benchmark: mixtures and training."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from vbpi_mix.errors import ConfigError
from vbpi_mix.replication.rows import MixtureRow, check_jobs, parse_row, row_words
from vbpi_mix.toys import Latents

Scale = Literal["paper", "small"]
Energy = Literal["sequential", "together"]


# the five of the paper's Figure 3
PUBLISHED_ROWS = tuple(parse_row(word) for word in ("a2a:5:5", "s2a:2:5", "s2s:2:5", "s2s:5:20", "s2a:1:20"))
# the paper's figure of each row's approximation
LATENT_FIGURES = {"s2a:2:5": 9, "s2s:2:5": 10, "a2a:5:5": 11, "s2s:5:20": 12}


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """Rows, seeds, data and training of one benchmark.

    Arguments:
        rows: rows to train, each once per seed.
        seeds: seeds of start and training.
        iterations: Adam's steps.
        learning_rate: constant, as in the paper.
        n_draws: draws per sampled component and step, outside the logarithm (the published code: 10).
        data_seed, n_points, dimension, latents: see `toys.simulate_funnel`.
        energy: log p(x, z) one sampled component after the other, or of all at once.
        title: the scale in words, for tables and pictures.

    Raises:
        ConfigError: nothing to train, something twice, or numbers out of range.
    """

    rows: tuple[MixtureRow, ...]
    seeds: tuple[int, ...]
    iterations: int
    learning_rate: float
    title: str
    n_draws: int = 10
    data_seed: int = 1
    n_points: int = 5
    dimension: int = 20
    latents: Latents = "one"
    energy: Energy = "sequential"

    def __post_init__(self) -> None:
        check_jobs("toy", [row.word for row in self.rows], self.seeds)
        if self.iterations < 1:
            raise ConfigError(f"iterations must be at least 1, not {self.iterations}")
        for name, value, choices in (("energy", self.energy, Energy), ("latents", self.latents, Latents)):
            if value not in get_args(choices):
                raise ConfigError(f"{name} must be one of {', '.join(get_args(choices))}, not '{value}'")

    def of_model(self, row: MixtureRow, seed: int) -> dict[str, Any]:
        """Everything that one trained model depends on."""
        shared = {k: v for k, v in asdict(self).items() if k not in ("rows", "seeds", "title")}
        return {**asdict(row), "seed": seed, **shared}

    def data(self) -> dict[str, Any]:
        """The arguments of `toys.simulate_funnel`."""
        return {"n_points": self.n_points, "dimension": self.dimension, "latents": self.latents}


def make_toy_config(
    *,
    scale: str = "paper",
    rows: Sequence[str] = (),
    iterations: int | None = None,
    n_seeds: int | None = None,
    data_seed: int = 1,
    latents: str = "one",
    energy: str = "sequential",
) -> ToyConfig:
    """The settings of a scale, with what the user said in their place.

    Arguments:
        scale: "paper": 50,000 iterations at rate 0.001, three seeds; "small": 3,000 at rate 0.01, one seed.
        rows: words as `parse_row` reads them; none: the paper's five.
        iterations: number of iterations in place of the scale's.
        n_seeds: seeds 1 to this number, in place of the scale's.
        data_seed: see `ToyConfig`.
        latents: see `ToyConfig`.
        energy: see `ToyConfig`.

    Raises:
        ConfigError: an unknown word, or numbers out of range.
    """
    if scale not in get_args(Scale):
        raise ConfigError(f"unknown scale '{scale}': choose one of {', '.join(get_args(Scale))}")
    default_iterations, rate, default_seeds = {"paper": (50_000, 0.001, 3), "small": (3_000, 0.01, 1)}[scale]
    steps = default_iterations if iterations is None else iterations
    seeds = default_seeds if n_seeds is None else n_seeds
    if seeds < 1:
        raise ConfigError(f"the number of seeds must be at least 1, not {seeds}")
    published = scale == "paper" and steps == default_iterations
    length = f"{steps:,} iterations at rate {rate:g}, {seeds} seed{'s' if seeds > 1 else ''}"
    return ToyConfig(
        rows=tuple(parse_row(word) for word in row_words(rows)) or PUBLISHED_ROWS,
        seeds=tuple(range(1, seeds + 1)),
        iterations=steps,
        learning_rate=rate,
        title=length if published else f"not the paper's length: {length}",
        data_seed=data_seed,
        latents=cast(Latents, latents),
        energy=cast(Energy, energy),
    )
