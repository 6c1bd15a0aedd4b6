"""The sixteen rows of Table 3, and how a user names some of them."""

from dataclasses import dataclass
from typing import cast, get_args

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import Estimator


@dataclass(frozen=True, kw_only=True, order=True)
class Table3Row:
    """One mixture of the table: A components, S of them drawn per step, and the estimator."""

    estimator: Estimator
    n_components: int
    n_sampled: int

    @property
    def word(self) -> str:
        """As the user writes it: 4,2,S2A."""
        return f"{self.n_components},{self.n_sampled},{self.estimator.upper()}"

    @property
    def name(self) -> str:
        """As files are named: A4_S2_s2a."""
        return f"A{self.n_components}_S{self.n_sampled}_{self.estimator}"

    @property
    def n_evaluations(self) -> tuple[int, int]:
        """(#p, #q) of a training step and particle, Section 6.2 of the paper.

        Log joints of trees, and log densities of trees under components: A and A^2 of A2A, S and S*A of S2A,
        S and S^2 of S2S.
        """
        n_evaluated = self.n_sampled if self.estimator == "s2s" else self.n_components
        return self.n_sampled, self.n_sampled * n_evaluated


_PAIRS = ((2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3))
TABLE3_ROWS = (
    *(Table3Row(estimator="a2a", n_components=a, n_sampled=a) for a in (1, 2, 3, 4)),
    *(Table3Row(estimator="s2a", n_components=a, n_sampled=s) for a, s in _PAIRS),
    *(Table3Row(estimator="s2s", n_components=a, n_sampled=s) for a, s in _PAIRS),
)


def parse_rows(text: str) -> tuple[Table3Row, ...]:
    """Rows in the order of the table, from words separated by semicolons: all, A2A, or A,S,ESTIMATOR as in 4,1,S2A.

    Raises:
        ConfigError: an unknown word, a row that the table does not have, or one that is named twice.
    """
    chosen: list[Table3Row] = []
    for word in (part.strip() for part in text.split(";")):
        found = _rows_of(word)
        twice = [row for row in found if row in chosen]
        if twice:
            raise ConfigError(f"row {twice[0].word} is given twice in --rows '{text}': leave one out")
        chosen += found
    return tuple(row for row in TABLE3_ROWS if row in chosen)


def _rows_of(word: str) -> list[Table3Row]:
    lower = word.lower()
    if lower == "all":
        return list(TABLE3_ROWS)
    if lower in get_args(Estimator):
        return [row for row in TABLE3_ROWS if row.estimator == lower]
    parts = [part.strip() for part in lower.split(",")]
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts[:2]):
        raise ConfigError(
            f"row '{word}' is not all, {', '.join(x.upper() for x in get_args(Estimator))}, or A,S,ESTIMATOR such as "
            "4,1,S2A; several are separated by ;"
        )
    if parts[2] not in get_args(Estimator):
        raise ConfigError(
            f"row '{word}': unknown estimator; choose one of {', '.join(x.upper() for x in get_args(Estimator))}"
        )
    row = Table3Row(estimator=cast(Estimator, parts[2]), n_components=int(parts[0]), n_sampled=int(parts[1]))
    if row not in TABLE3_ROWS:
        of_kind = "; ".join(r.word for r in TABLE3_ROWS if r.estimator == row.estimator)
        raise ConfigError(f"Table 3 has no row {row.word}; its {row.estimator.upper()} rows are {of_kind}")
    return [row]
