"""The thresholds between good, fair and poor, and those that users are warned at.

They are conventions: a number just beyond one is not another world. Those of Pareto k depend on the number of draws and
stand with it, in `evaluate.pareto`.
"""

from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "fair", "poor", "info"]


@dataclass(frozen=True)
class Threshold:
    """Limits at which a number that should be small, or large, passes from good to fair and to poor.

    Arguments:
        good: Last value that is good.
        fair: Last value that is fair.
        form: Format of the two numbers, as in a format string.
    """

    good: float
    fair: float
    form: str = "g"

    def level(self, value: float) -> Level:
        """The level of a value; NaN is poor."""
        sign = 1 if self.good <= self.fair else -1
        return "good" if sign * value <= sign * self.good else "fair" if sign * value <= sign * self.fair else "poor"

    @property
    def words(self) -> str:
        """Both values in a sentence."""
        word = "up to" if self.good <= self.fair else "from"
        return f"Good {word} {self.good:{self.form}}, fair {word} {self.fair:{self.form}}"


# one run
LOG_ML_ERROR = Threshold(0.1, 0.5)  # nats
GAP = Threshold(2.5, 6.0)  # nats, between the bound and the marginal log-likelihood
EFFECTIVE_DRAWS = Threshold(1000, 200, ",")
UNSEEN_TOPOLOGIES = Threshold(0.02, 0.1, ".0%")  # shares of the posterior, as the following
LEFT_BY_THE_SEARCH = Threshold(0.01, 0.05, ".0%")  # the search ends by itself where it is good
UNSUPPORTED_NEIGHBOURS = Threshold(0.01, 0.05, ".0%")
MISSED_MODES = Threshold(0.01, 0.05, ".0%")
BOUND_RISE = Threshold(0.02, 0.2)  # nats in the last fifth of the training, beyond two standard errors
# annealing
ANNEALED_LOG_ML_ERROR = Threshold(0.5, 2.0)  # nats
R_HAT = Threshold(1.05, 1.2)
CHAIN_DRAWS = Threshold(200, 100, ",")
SPLIT_ERROR = Threshold(0.02, 0.05)
ANCESTORS_LEFT = Threshold(0.1, 0.03, ".0%")
# several runs
ASDSF = Threshold(0.01, 0.05)
SPLIT_DIFFERENCE = Threshold(0.05, 0.1)
LOG_ML_DIFFERENCE = Threshold(3.0, 5.0)  # standard errors
PARAMETER_DIFFERENCE = Threshold(0.1, 0.3)  # posterior standard deviations

DEAD_SHARE = 0.05  # share of the equal share 1/A below which a component counts as died
COVERED_DENSITY = 1e-3  # of the posterior's density at a mode: a mixture that has less there lacks the mode
WARNED_MISSING = LEFT_BY_THE_SEARCH.fair  # share of the posterior outside the list that users are warned of,
WARNED_ERROR = 0.01  # unless the standard error of frequencies from draws is below this
WARNED_MODES = MISSED_MODES.good  # share of the posterior in modes of the parameters that are not taken
