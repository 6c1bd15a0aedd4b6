"""The rows of a benchmark: which mixtures it trains, and how a user names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import Estimator, Objective


@dataclass(frozen=True, kw_only=True)
class MixtureRow:
    """One mixture of a benchmark: an estimator, S components drawn per step, A in all.

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
        """Word for the row on the command line: s2a:2:5."""
        return f"{self.estimator}:{self.n_sampled}:{self.n_components}"

    @property
    def label(self) -> str:
        """Label of the row in tables and pictures."""
        return f"{self.estimator.upper()} S={self.n_sampled} A={self.n_components}"


def row_words(given: Sequence[str]) -> list[str]:
    """The words of rows in an option that may be repeated, each holding one word or several with ; between."""
    return [word.strip() for text in given for word in text.split(";")]


def parse_row(word: str) -> MixtureRow:
    """Read ESTIMATOR:S:A, such as s2a:2:5; also A,S,ESTIMATOR, such as 5,2,S2A, as earlier versions had it.

    Raises:
        ConfigError: another form, or numbers that the estimator does not allow.
    """
    parts = [part.strip() for part in word.lower().split(":")]
    earlier = [part.strip() for part in word.lower().split(",")]
    if len(earlier) == 3 and len(parts) == 1:
        parts = earlier[::-1]
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts[1:]):
        raise ConfigError(f"row '{word}' is not ESTIMATOR:S:A, such as s2a:2:5 (S of A components drawn per step)")
    if parts[0] not in get_args(Estimator):
        raise ConfigError(f"row '{word}': unknown estimator; choose one of {', '.join(get_args(Estimator))}")
    return MixtureRow(estimator=cast(Estimator, parts[0]), n_sampled=int(parts[1]), n_components=int(parts[2]))


def check_jobs(benchmark: str, rows: Sequence[str], seeds: Sequence[int]) -> None:
    """Check that a benchmark has something to train, and nothing twice.

    Arguments:
        benchmark: Name of the benchmark in messages.
        rows: Words of the rows.
        seeds: Seeds of each row.

    Raises:
        ConfigError: No rows or seeds, or one of them twice.
    """
    if not rows or not seeds:
        raise ConfigError(f"the {benchmark} benchmark needs at least one row and one seed")
    for name, values in (("row", list(rows)), ("seed", list(seeds))):
        twice = [value for i, value in enumerate(values) if value in values[:i]]
        if twice:
            raise ConfigError(f"{name} {twice[0]} is given twice: leave one out")
