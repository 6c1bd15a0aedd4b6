"""First values of a mixture's parameters."""

import numpy as np
import torch

from vbpi_mix.branch import Framed
from vbpi_mix.errors import ConfigError
from vbpi_mix.sbn import em
from vbpi_mix.start.features import fitted_features
from vbpi_mix.start.parameters import ParameterFit
from vbpi_mix.start.weights import WeightedTopologies
from vbpi_mix.support import encode
from vbpi_mix.variational import ParameterPosterior, PhyloMixture

PAPER_SHIFT = -2.0  # location added to every log branch length by the published implementations
PAPER_PARAMETER_SD = 0.1
_FEATURE_NOISE = 0.02


@torch.no_grad()
def start_fitted(
    mixture: PhyloMixture,
    weighted: WeightedTopologies,
    *,
    n_sites: float,
    generator: torch.Generator,
    parameters: ParameterFit | None = None,
    until: float | None = None,
) -> None:
    """Start from weighted topologies: tables by EM, branch features from the optimised lengths.

    The networks of a mixture are fitted together, from different noise, so they start apart; the branch tables of
    the components differ by normal noise of standard deviation 0.02.

    Arguments:
        mixture: mixture, whose parameters are overwritten.
        weighted: topologies of the mixture's support.
        n_sites: sites of the alignment.
        generator: source of the noise.
        parameters: Laplace's approximation of the model's parameters, where the mixture has any.
        until: `time.perf_counter()` at which fitting the tables ends, converged or not.
    """
    if mixture.parameter_posterior is not None:
        if parameters is None:
            raise ConfigError("the mixture has parameters of the model: give where they start")
        scale = parameters.scale
        mixture.parameter_posterior.start_fitted(parameters.centre, scale, parameters.response @ scale)
        _spread_over_modes(mixture.parameter_posterior, parameters)
    encoded = encode(mixture.support, weighted.sample.topologies)
    networks, base = mixture.networks, mixture.branches.base
    probabilities = weighted.sample.probabilities()
    fitted = em(
        mixture.support,
        encoded,
        probabilities,
        n_components=networks.n_components,
        generator=generator,
        until=until,
    )
    networks.logits.copy_(fitted.logits)
    table = fitted_features(
        mixture.indexer,
        encoded,
        probabilities,
        weighted.modes.log_lengths,
        weighted.laplace.log_precision,
        n_sites,
    )
    base.table.copy_(torch.from_numpy(table).expand_as(base.table))
    flow = mixture.branches.flow
    if isinstance(flow, Framed):
        flow.start_fitted(torch.from_numpy(table), mixture.support.n_splits)
    if base.table.shape[0] > 1:
        base.table.add_(torch.randn(base.table.shape, generator=generator, dtype=torch.float64), alpha=_FEATURE_NOISE)


@torch.no_grad()
def start_published(
    mixture: PhyloMixture, *, generator: torch.Generator, parameter_start: np.ndarray | None = None
) -> None:
    """The published start: uniform tables, Xavier-uniform feature rows, log lengths shifted by -2, the flow's own.

    Parameters of the substitution model, which the published work has none of, begin at given coordinates (d,), with
    a standard deviation of 0.1 each.
    """
    mixture.networks.logits.zero_()
    table = mixture.branches.base.table
    for component in table:
        torch.nn.init.xavier_uniform_(component, generator=generator)
    table[:, : mixture.support.n_splits, 0] += PAPER_SHIFT
    flow = mixture.branches.flow
    if isinstance(flow, Framed):
        flow.start_published(generator, mixture.support.n_splits)
    posterior = mixture.parameter_posterior
    if posterior is not None:
        if parameter_start is None:
            raise ConfigError("the mixture has parameters of the model: give where they start")
        d, n_splits = posterior.n_parameters, mixture.support.n_splits
        posterior.start_fitted(parameter_start, PAPER_PARAMETER_SD * np.eye(d), np.zeros((n_splits, d)))


def _spread_over_modes(posterior: ParameterPosterior, parameters: ParameterFit) -> None:
    """Start components from every mode, about in proportion to the modes' weights, and at least one from each."""
    n_components = posterior.n_distributions
    total = 1.0 + sum(mode.weight for mode in parameters.others)
    last = n_components
    for mode in sorted(parameters.others, key=lambda mode: -mode.weight):
        count = min(max(1, round(n_components * mode.weight / total)), last - 1)
        if count < 1:  # one is left, for the first mode
            break
        centre = posterior.whitened(torch.from_numpy(mode.centre)[None])[0]
        root = torch.from_numpy(np.linalg.cholesky(mode.covariance))
        factor = torch.linalg.solve_triangular(posterior.scale, root, upper=False)
        diagonal = factor.diagonal().log()
        posterior.location[last - count : last] = centre
        posterior.factor[last - count : last] = factor.tril(-1) + torch.diag(diagonal)
        last -= count
