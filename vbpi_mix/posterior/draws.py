"""Weighted draws from an approximate posterior over trees."""

from dataclasses import dataclass, field, replace

import numpy as np

from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.evaluate.estimates import effective_sample_size
from vbpi_mix.evaluate.pareto import pareto_smooth
from vbpi_mix.phylo.topology import TopologyBatch


@dataclass(frozen=True, kw_only=True)
class PosteriorDraws:
    """T trees drawn from the mixture, with the importance weights that turn them into posterior draws.

    Arguments:
        taxa: (N,) names.
        topologies: T topologies; repetitions allowed.
        branch_lengths: (T, E) expected substitutions per site, edges numbered as in `phylo.topology`.
        log_weights: (T,) log p(x, tree) - log q_mix(tree), up to a constant; -inf for weight zero. Zeros make the
            draws equally weighted. Where the mixture's components weigh pi_a but were drawn equally often,
            log(A pi_a) belongs to the weight.
        components: (T,) the component that drew each tree.
        parameters: (T, n) values of the substitution model's parameters, drawn with the trees; n is 0 where the model
            is fixed.
        parameter_names: (n,) what they are called.
    """

    taxa: tuple[str, ...]
    topologies: TopologyBatch
    branch_lengths: np.ndarray
    log_weights: np.ndarray
    components: np.ndarray
    parameters: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    parameter_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parameters = f", {len(self.parameter_names)} parameters" if self.parameter_names else ""
        return f"PosteriorDraws: {self.topologies.n_trees:,} trees of {len(self.taxa)} taxa{parameters}"

    def __post_init__(self) -> None:
        n_trees, n_taxa = self.topologies.n_trees, len(self.taxa)
        if not self.parameter_names and not np.size(self.parameters):
            object.__setattr__(self, "parameters", np.zeros((n_trees, 0)))
        expected = {
            "topologies": ((n_trees, n_taxa - 2, 2), self.topologies.children.shape),
            "branch_lengths": ((n_trees, 2 * n_taxa - 3), np.shape(self.branch_lengths)),
            "log_weights": ((n_trees,), np.shape(self.log_weights)),
            "components": ((n_trees,), np.shape(self.components)),
            "parameters": ((n_trees, len(self.parameter_names)), np.shape(self.parameters)),
        }
        for name, (wanted, found) in expected.items():
            if wanted != found:
                raise InputError(f"posterior draws of {n_taxa} taxa: {name} must have shape {wanted}, not {found}")
        if n_trees == 0:
            raise InputError("posterior draws need at least one tree")
        bad = np.isnan(self.log_weights) | (self.log_weights == np.inf)
        if bad.any():
            raise NumericalError(f"the log importance weight of draw {int(bad.argmax())} is NaN or +inf")
        if not np.isfinite(self.log_weights).any():
            raise NumericalError("every importance weight is zero: the draws say nothing about the posterior")

    @property
    def n_trees(self) -> int:
        return self.topologies.n_trees

    @property
    def n_taxa(self) -> int:
        return len(self.taxa)

    def weights(self) -> np.ndarray:
        """(T,) importance weights that sum to 1."""
        relative = np.exp(self.log_weights - self.log_weights.max())
        return relative / relative.sum()

    def effective_sample_size(self) -> float:
        """Kish's effective sample size of the weights."""
        return effective_sample_size(self.log_weights)

    def smoothed(self) -> "PosteriorDraws":
        """The same draws with Pareto-smoothed weights: a little biased, less at the mercy of the largest ones.

        Raises:
            InputError: fewer than 25 draws.
        """
        return replace(self, log_weights=pareto_smooth(self.log_weights)[0])

    def resample(self, n: int, generator: np.random.Generator) -> "PosteriorDraws":
        """`n` equally weighted draws, by systematic sampling-importance-resampling and in random order.

        Tree i is taken floor(n w_i) or ceil(n w_i) times and n w_i times in expectation, so what is counted over
        the result varies less than with independent picks. The n trees repeat the draws that weigh much: they hold
        no more information than the effective sample size.

        Raises:
            InputError: n below 1.
        """
        if n < 1:
            raise InputError(f"cannot resample {n} trees: ask for at least one")
        ladder = np.cumsum(self.weights()) * n
        ladder[-1] = n  # rounding must not leave the last rung below the last point
        positions = np.arange(n) + generator.random()
        picked = np.searchsorted(ladder, positions, side="right")
        # a draw of weight zero after the last positive one can share the last rung with it
        picked = np.minimum(picked, np.flatnonzero(np.isfinite(self.log_weights))[-1])
        generator.shuffle(picked)
        return PosteriorDraws(
            taxa=self.taxa,
            topologies=self.topologies[picked],
            branch_lengths=self.branch_lengths[picked],
            log_weights=np.zeros(n),
            components=self.components[picked],
            parameters=self.parameters[picked],
            parameter_names=self.parameter_names,
        )
