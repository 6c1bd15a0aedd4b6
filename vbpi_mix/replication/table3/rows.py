"""The sixteen rows of Table 3, and how a user names some of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import Estimator
from vbpi_mix.replication.rows import parse_row, row_words


@dataclass(frozen=True, kw_only=True, order=True)
class Table3Row:
    """One mixture of the table: A components, S of them drawn per step, and the estimator."""

    estimator: Estimator
    n_components: int
    n_sampled: int

    @property
    def word(self) -> str:
        """Word for the row on the command line: s2a:2:4."""
        return f"{self.estimator}:{self.n_sampled}:{self.n_components}"

    @property
    def label(self) -> str:
        """Label in the paper's table and ours: 4,2,S2A (A, S, estimator)."""
        return f"{self.n_components},{self.n_sampled},{self.estimator.upper()}"

    @property
    def name(self) -> str:
        """Name in files: A4_S2_s2a."""
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


def parse_rows(given: Sequence[str]) -> tuple[Table3Row, ...]:
    """Rows in the order of the table, from words: all, a2a, or ESTIMATOR:S:A as in s2a:1:4; see `rows.row_words`.

    Raises:
        ConfigError: an unknown word, a row that the table does not have, or one that is named twice.
    """
    chosen: list[Table3Row] = []
    for word in row_words(given):
        found = _rows_of(word)
        twice = [row for row in found if row in chosen]
        if twice:
            raise ConfigError(f"row {twice[0].word} is given twice in --rows '{'; '.join(given)}': leave one out")
        chosen += found
    return tuple(row for row in TABLE3_ROWS if row in chosen)


def _rows_of(word: str) -> list[Table3Row]:
    lower = word.lower()
    if lower == "all":
        return list(TABLE3_ROWS)
    if lower in get_args(Estimator):
        return [row for row in TABLE3_ROWS if row.estimator == lower]
    if ":" not in word and "," not in word:
        raise ConfigError(
            f"row '{word}' is not all, {', '.join(get_args(Estimator))}, or ESTIMATOR:S:A such as s2a:1:4; several are "
            "separated by ;"
        )
    asked = parse_row(word)
    row = Table3Row(estimator=asked.estimator, n_components=asked.n_components, n_sampled=asked.n_sampled)
    if row not in TABLE3_ROWS:
        of_kind = "; ".join(r.word for r in TABLE3_ROWS if r.estimator == row.estimator)
        raise ConfigError(f"Table 3 has no row {row.word}; its {row.estimator.upper()} rows are {of_kind}")
    return [row]
