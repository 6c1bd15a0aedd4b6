"""Which mixtures the toy benchmark trains, and how."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import Estimator, Objective
from vbpi_mix.toys import Latents

Scale = Literal["paper", "small"]
Energy = Literal["sequential", "together"]


@dataclass(frozen=True, kw_only=True)
class ToyRow:
    """One mixture of the benchmark: an estimator, S components drawn per step, A in all.

    Raises:
        ConfigError: an unknown estimator, or an S or A that it does not allow.
    """

    estimator: Estimator
    n_sampled: int
    n_components: int

    def __post_init__(self) -> None:
        Objective(estimator=self.estimator, n_components=self.n_components, n_sampled=self.n_sampled)

    @property
    def word(self) -> str:
        """As the user writes it: s2a:2:5."""
        return f"{self.estimator}:{self.n_sampled}:{self.n_components}"

    @property
    def label(self) -> str:
        """As tables and pictures show it."""
        return f"{self.estimator.upper()} S={self.n_sampled} A={self.n_components}"


def parse_row(word: str) -> ToyRow:
    """Read ESTIMATOR:S:A, such as s2a:2:5.

    Raises:
        ConfigError: another form, or numbers that the estimator does not allow.
    """
    parts = word.strip().lower().split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts[1:]):
        raise ConfigError(f"row '{word}' is not ESTIMATOR:S:A, such as s2a:2:5 (S of A components drawn per step)")
    if parts[0] not in get_args(Estimator):
        raise ConfigError(f"row '{word}': unknown estimator; choose one of {', '.join(get_args(Estimator))}")
    return ToyRow(estimator=cast(Estimator, parts[0]), n_sampled=int(parts[1]), n_components=int(parts[2]))


# the five of the paper's Figure 3
PUBLISHED_ROWS = tuple(parse_row(word) for word in ("a2a:5:5", "s2a:2:5", "s2s:2:5", "s2s:5:20", "s2a:1:20"))
# the paper's figure of each row's approximation
LATENT_FIGURES = {"s2a:2:5": 9, "s2s:2:5": 10, "a2a:5:5": 11, "s2s:5:20": 12}


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """Rows, seeds, data and training of one benchmark.

    Arguments:
        rows: what to train, each once per seed.
        seeds: of start and training.
        iterations: Adam's steps.
        learning_rate: constant, as in the paper.
        n_draws: draws per sampled component and step, outside the logarithm (the published code: 10).
        data_seed, n_points, dimension, latents: see `toys.simulate_funnel`.
        energy: log p(x, z) one sampled component after the other, or of all at once.
        title: the scale in words, for tables and pictures.

    Raises:
        ConfigError: nothing to train, something twice, or numbers out of range.
    """

    rows: tuple[ToyRow, ...]
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
        if not self.rows or not self.seeds:
            raise ConfigError("the toy benchmark needs at least one row and one seed")
        for name, values in (("row", [row.word for row in self.rows]), ("seed", list(self.seeds))):
            twice = [value for i, value in enumerate(values) if value in values[:i]]
            if twice:
                raise ConfigError(f"{name} {twice[0]} is given twice: leave one out")
        if self.iterations < 1:
            raise ConfigError(f"iterations must be at least 1, not {self.iterations}")
        for name, value, choices in (("energy", self.energy, Energy), ("latents", self.latents, Latents)):
            if value not in get_args(choices):
                raise ConfigError(f"{name} must be one of {', '.join(get_args(choices))}, not '{value}'")

    def of_model(self, row: ToyRow, seed: int) -> dict[str, Any]:
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
        iterations: in place of the scale's.
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
        rows=tuple(parse_row(word) for word in rows) or PUBLISHED_ROWS,
        seeds=tuple(range(1, seeds + 1)),
        iterations=steps,
        learning_rate=rate,
        title=length if published else f"not the paper's length: {length}",
        data_seed=data_seed,
        latents=cast(Latents, latents),
        energy=cast(Energy, energy),
    )
