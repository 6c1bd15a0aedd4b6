"""The amortised component heads: one network for all components, told by a one-hot input which one it is."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu


class ComponentLinear(nn.Module):
    """A linear layer on the concatenation of features (F), a one-hot component (A), and hidden units (H).

    The one-hot input selects a column of the weights: a bias per component. So the features are multiplied once per
    image, whatever the number of components, and only the components that are asked for cost anything.

    Arguments:
        n_features: F.
        n_components: A.
        n_hidden: H, 0 for the first layer.
        n_out: outputs.
    """

    def __init__(self, n_features: int, n_components: int, n_hidden: int, n_out: int) -> None:
        super().__init__()
        self.features = nn.Parameter(torch.empty(n_out, n_features))
        self.component_bias = nn.Parameter(torch.empty(n_components, n_out))
        self.hidden = nn.Parameter(torch.empty(n_out, n_hidden)) if n_hidden else None
        self.bias = nn.Parameter(torch.empty(n_out))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Uniform on +-1/sqrt(F + A + H), as the one concatenated layer would start."""
        n_hidden = 0 if self.hidden is None else self.hidden.shape[1]
        bound = 1 / math.sqrt(self.features.shape[1] + len(self.component_bias) + n_hidden)
        for parameter in self.parameters():
            parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, features: Tensor, components: Tensor, hidden: Tensor | None = None) -> Tensor:
        """(B, M, n_out) from features (B, F), components (M,) and hidden units (B, M, H)."""
        shared = linear(features, self.features, self.bias)
        out = shared.unsqueeze(1) + self.component_bias[components]
        if self.hidden is None or hidden is None:
            return out
        return out + linear(hidden, self.hidden)


class ComponentHead(nn.Module):
    """Three layers to one parameter vector per image and component: two hidden ones with ReLU, each told everything.

    Every further component costs a bias in each layer: 3 x 40 parameters in the published size.

    Arguments:
        n_features: F, of the trunk.
        n_components: A.
        n_out: dimension of the latent space, and width of the hidden layers.
    """

    def __init__(self, n_features: int, n_components: int, n_out: int) -> None:
        super().__init__()
        self.first = ComponentLinear(n_features, n_components, 0, n_out)
        self.second = ComponentLinear(n_features, n_components, n_out, n_out)
        self.third = ComponentLinear(n_features, n_components, n_out, n_out)

    def forward(self, features: Tensor, components: Tensor) -> Tensor:
        """(B, M, n_out) from features (B, F) and components (M,)."""
        hidden = relu(self.first(features, components))
        hidden = relu(self.second(features, components, hidden))
        return self.third(features, components, hidden)
