"""The vectorised heads against a loop over components with one-hot inputs, as the published code has it."""

import torch

from vbpi_mix.images.heads import ComponentHead

N_FEATURES, A, H = 5, 4, 3


def head():
    made = ComponentHead(N_FEATURES, A, H).double()
    generator = torch.Generator().manual_seed(1)
    for layer in (made.first, made.second, made.third):
        layer.initialise(generator)
    return made


def looped(made, features):
    """(B, A, H): concatenate features, one-hot component, hidden units; one matrix per layer; ReLU twice."""
    outputs = []
    for a in range(A):
        one_hot = torch.eye(A, dtype=torch.float64)[a].expand(len(features), A)
        told = torch.cat([features, one_hot], dim=1)
        hidden = None
        for layer, last in ((made.first, False), (made.second, False), (made.third, True)):
            weights = [layer.features, layer.component_bias.T, *([] if layer.hidden is None else [layer.hidden])]
            inputs = told if hidden is None else torch.cat([told, hidden], dim=1)
            hidden = inputs @ torch.cat(weights, dim=1).T + layer.bias
            if not last:
                hidden = hidden.clamp(min=0)
        outputs.append(hidden)
    return torch.stack(outputs, dim=1)


def test_values_and_gradients_equal_the_loop():
    made = head()
    features = torch.randn((6, N_FEATURES), generator=torch.Generator().manual_seed(2)).double()
    values = [made(features, torch.arange(A)), looped(made, features)]
    torch.testing.assert_close(*values, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad((v**2).sum(), list(made.parameters())) for v in values]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_a_subset_of_components_is_that_of_all():
    made = head()
    features = torch.randn((6, N_FEATURES), generator=torch.Generator().manual_seed(2)).double()
    chosen = torch.tensor([1, 3])
    torch.testing.assert_close(
        made(features, chosen), made(features, torch.arange(A))[:, chosen], rtol=1e-12, atol=1e-12
    )


def test_every_component_costs_a_bias_per_layer():
    sizes = [sum(p.numel() for p in ComponentHead(294, a, 40).parameters()) for a in (50, 51)]
    assert sizes == [44_600, 44_600 + 3 * 40]
