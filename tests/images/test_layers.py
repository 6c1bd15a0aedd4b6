import pytest
import torch

from vbpi_mix.images.layers import GatedConv2d, GatedDense, MaskedConv2d, PixelNorm, initialise


@pytest.mark.parametrize(("kind", "seen"), [("A", 4), ("B", 5)])
def test_a_masked_convolution_sees_earlier_pixels_only(kind, seen):
    layer = MaskedConv2d(kind, 1, 1)
    x = torch.zeros((1, 1, 5, 5), requires_grad=True)
    layer(x)[0, 0, 2, 2].backward()
    touched = x.grad[0, 0].flatten().nonzero().flatten()
    assert len(touched) == seen
    assert int(touched.max()) == 12 - (kind == "A")


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_masked_convolution_is_one_with_zeros(kernel):
    layer = MaskedConv2d("B", 2, 3, kernel).double()
    x = torch.randn((2, 2, 6, 7), generator=torch.Generator().manual_seed(3)).double()
    expected = torch.nn.functional.conv2d(x, layer.weight * layer.mask, padding=kernel // 2)
    torch.testing.assert_close(layer(x), expected)
    layer(x).square().sum().backward()
    assert not layer.weight.grad[:, :, kernel // 2 + 1 :].any()


def test_gates_are_products():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((2, 3, 4, 4), generator=generator)
    conv = GatedConv2d(3, 2, 3)
    torch.testing.assert_close(conv(x), conv.value(x) / (1 + torch.exp(-conv.gate(x))))
    dense = GatedDense(4, 5)
    torch.testing.assert_close(dense(x), dense.value(x) / (1 + torch.exp(-dense.gate(x))))


def test_pixel_norm_is_that_of_each_pixel():
    layer = PixelNorm(4).double()
    x = torch.randn((2, 4, 3, 3), generator=torch.Generator().manual_seed(2)).double()
    out = layer(x)
    torch.testing.assert_close(out.mean(dim=1), torch.zeros(2, 3, 3).double(), atol=1e-12, rtol=0)
    one = x[1, :, 2, 0]
    torch.testing.assert_close(out[1, :, 2, 0], (one - one.mean()) / (one.var(correction=0) + 1e-5).sqrt())


def test_weights_depend_on_the_generator_alone():
    layers = [
        torch.nn.Sequential(torch.nn.Linear(3, 4), MaskedConv2d("A", 2, 3), GatedConv2d(1, 2, 3)) for _ in range(2)
    ]
    for layer in layers:
        initialise(layer, torch.Generator().manual_seed(5))
    for a, b in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
        assert torch.equal(a, b)
        assert float(a.detach().std()) > 0
    assert float(layers[0][0].weight.detach().abs().max()) <= 3**-0.5
