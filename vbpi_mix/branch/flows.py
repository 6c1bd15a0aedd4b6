"""Normalizing flows on log branch lengths, shared by the components of a mixture or one for each."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from vbpi_mix.branch.features import FeatureIds
from vbpi_mix.branch.frame import Framed
from vbpi_mix.branch.planar import Planar
from vbpi_mix.branch.realnvp import RealNVP
from vbpi_mix.branch.skew import Skew
from vbpi_mix.errors import ConfigError


class Flow(Protocol):
    """A differentiable map of log branch lengths given the features of each tree.

    Shared by the components: it acts on the base sample, so its log-determinant is common to them and
    `log q_j(b) = log base_j(z0) - log_abs_det - sum(log b)`. One per component: the base sample of b under
    component j is the inverse of its own flow.
    """

    def __call__(self, base_sample: Tensor, feature_ids: FeatureIds) -> tuple[Tensor, Tensor]:
        """Map (T, E) base samples to (T, E) log branch lengths and (T,) log |det| of the Jacobian."""
        ...

    def inverse(self, log_lengths: Tensor, feature_ids: FeatureIds) -> tuple[Tensor, Tensor]:
        """The base samples of given log branch lengths, and log |det| of the forward map there."""
        ...


class IdentityFlow(nn.Module):
    """No flow: the base sample is the log branch length."""

    def forward(
        self, base_sample: Tensor, feature_ids: FeatureIds, flow_of_tree: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        del feature_ids, flow_of_tree
        return base_sample, base_sample.new_zeros(base_sample.shape[0])

    def inverse(self, log_lengths: Tensor, feature_ids: FeatureIds) -> tuple[Tensor, Tensor]:
        return self.forward(log_lengths, feature_ids)


# word -> constructor, and the published numbers of layers and hidden units; 0 where a flow has no such number
FLOWS: dict[str, tuple[Callable[..., nn.Module] | None, int, int]] = {
    "identity": (None, 0, 0),
    "skew": (Skew, 0, 0),
    "planar": (Planar, 16, 0),
    "realnvp": (RealNVP, 10, 100),
}


def flow_sizes(word: str) -> tuple[int, int]:
    """The layers and hidden units of a flow where nobody asks for others.

    Raises:
        ConfigError: an unknown word.
    """
    if word not in FLOWS:
        raise ConfigError(f"unknown flow '{word}': choose one of {', '.join(FLOWS)}")
    return FLOWS[word][1:]


def check_flow(word: str, *, n_layers: int, n_hidden: int, per_component: bool) -> None:
    """Raise ConfigError unless a flow of that kind and size exists."""
    for name, value, default in zip(
        ("flow_layers", "flow_hidden"), (n_layers, n_hidden), flow_sizes(word), strict=True
    ):
        if default == 0 and value != 0:
            raise ConfigError(f"{name} is {value}, but the flow '{word}' has no such number: leave {name} out")
        if default > 0 and value < 1:
            raise ConfigError(f"{name} must be at least 1, not {value}")
    if per_component and word != "realnvp":
        raise ConfigError(
            f"flow_per_component is for the flow 'realnvp', not '{word}': leave it out, or change the flow"
        )


def make_flow(
    word: str,
    *,
    n_features: int,
    n_taxa: int,
    n_layers: int | None = None,
    n_hidden: int | None = None,
    n_flows: int | None = None,
) -> nn.Module:
    """The flow that a configuration names, the identity at first (`skew`: nearly).

    Arguments:
        word: a word of `FLOWS`.
        n_features: F, the branch features of the support.
        n_taxa: N.
        n_layers: L; the published number if None.
        n_hidden: hidden units of each layer's network; the published number if None.
        n_flows: number of flows, one per component; None: one that they share.

    Raises:
        ConfigError: an unknown word, or a size that the flow does not have.
    """
    default_layers, default_hidden = flow_sizes(word)
    layers = default_layers if n_layers is None else n_layers
    hidden = default_hidden if n_hidden is None else n_hidden
    check_flow(word, n_layers=layers, n_hidden=hidden, per_component=n_flows is not None)
    constructor = FLOWS[word][0]
    if constructor is None:
        return IdentityFlow()
    sizes = {"n_layers": layers, "n_hidden": hidden, "n_flows": n_flows}
    given = {name: value for name, value in sizes.items() if value}
    return Framed(constructor(n_features=n_features, n_taxa=n_taxa, **given), n_features)
