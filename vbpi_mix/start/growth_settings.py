"""Settings of the search for topologies."""

from dataclasses import dataclass

from vbpi_mix.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class GrowthSettings:
    """Limits of the search.

    Arguments:
        n_climbs: best candidates from which nearest-neighbour interchanges climb to an optimum.
        n_wide_climbs: best optima from which climbs regraft clades as well.
        radius: largest distance of a regraft in nodes, see `phylo.spr_neighbours`.
        covered: neighbourhoods of the heaviest topologies are weighed until these hold so much of the weight ...
        max_neighbourhoods: ... or so many were weighed, half of them before the first round.
        n_components: networks of a proposal.
        n_draws: topologies drawn in a round.
        max_rounds: largest number of rounds.
        n_explored: draws whose surroundings are searched before the first round, and between rounds, ...
        explored_radius: largest distance of a regraft there.
        explored_within: nats below a draw that its neighbours must reach to enter.
        unsupported: ... until the last hundred found less than this share of the posterior, see
            `explore.Found.share`; rounds go on until then.
        missing: rounds end when the estimate of the missing mass is below, ...
        standard_error: ... or when that of any split's frequency, from the finite number of draws, surely is: a
            flat posterior is a weighted sample then, not a list.
        pseudo_count: pseudo count of the proposals' tables, see `sbn.em`.
        negligible: topologies with a smaller share of the weight are left out of the result.

    Raises:
        ConfigError: a number out of range.
    """

    n_climbs: int = 40
    n_wide_climbs: int = 10
    radius: int = 3
    covered: float = 0.998
    max_neighbourhoods: int = 800
    n_explored: int = 400
    explored_radius: int = 5
    explored_within: float = 8.0
    unsupported: float = 0.001
    n_components: int = 2
    n_draws: int = 20_000
    max_rounds: int = 10
    missing: float = 0.01
    standard_error: float = 0.005
    pseudo_count: float = 1e-4
    negligible: float = 1e-10

    def __post_init__(self) -> None:
        whole = (self.n_climbs, self.n_wide_climbs, self.max_neighbourhoods, self.max_rounds, self.n_explored)
        if min(whole) < 0 or min(self.radius, self.explored_radius, self.n_components, self.n_draws) < 1:
            raise ConfigError(f"growth: a count is out of range in {self}")
        if not (
            0 <= self.covered <= 1
            and min(self.missing, self.standard_error, self.pseudo_count, self.unsupported, self.explored_within) > 0
            and 0 <= self.negligible < 1
        ):
            raise ConfigError(f"growth: a share is out of range in {self}")
