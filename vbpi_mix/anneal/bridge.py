"""The marginal likelihood by particles that pass the temperatures in both directions.

Particles that come from the reference find the posterior late, and those that come back from it leave it late. Between
two neighbouring temperatures the ratio of the constants follows from particles of both, and the delays of the two
directions, which have opposite signs, cancel to a large part.

References:
    Bennett, Efficient estimation of free energy differences from Monte Carlo data, Journal of Computational Physics 22,
    1976.
    Shirts, Bair, Hooker and Pande, Equilibrium free energies from nonequilibrium measurements using maximum-likelihood
    methods, Physical Review Letters 91, 2003.
"""

from typing import cast

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from vbpi_mix.anneal.smc import Annealed, Passage

_BEYOND = 50.0  # nats outside all log ratios, where one of the two sides of Bennett's equation vanishes


def bridged_log_ml(annealed: Annealed, back: Passage) -> float:
    """Log marginal likelihood by the particles of a group and those of one that went the other way.

    Arguments:
        annealed: from the reference to the posterior.
        back: the way back, see `smc.heat`.
    """
    there, before = annealed.passage, (0.0, *annealed.betas)
    total = annealed.log_allowed
    for k, beta in enumerate(annealed.betas):
        step = beta - before[k]
        total += acceptance_ratio(
            step * there.gains[k], there.log_weights[k], step * back.gains[k], back.log_weights[k]
        )
    return total


def acceptance_ratio(below: np.ndarray, log_below: np.ndarray, above: np.ndarray, log_above: np.ndarray) -> float:
    """Log ratio of the constants of two densities, the second to the first, by Bennett's acceptance ratio.

    Of all estimates from draws of both it has the least variance.

    Arguments:
        below: (P,) log ratio of the second density to the first, neither normalised, at draws of the first.
        log_below: (P,) log weights of these draws, normalised.
        above: (P,) the same log ratio at draws of the second.
        log_above: (P,) log weights of these, normalised.
    """
    weights_below, weights_above = np.exp(log_below), np.exp(log_above)

    def excess(log_ratio: float) -> float:
        return float(weights_below @ expit(below - log_ratio) - weights_above @ expit(log_ratio - above))

    both = np.concatenate([below, above])
    both = both[np.isfinite(both)]
    return cast("float", brentq(excess, both.min() - _BEYOND, both.max() + _BEYOND, xtol=1e-10))
