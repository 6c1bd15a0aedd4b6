import pytest
import torch

from vbpi_mix.errors import ConfigError
from vbpi_mix.images import GatedTrunk, ResNet20Trunk
from vbpi_mix.images.layers import initialise


@pytest.mark.parametrize(("side", "expected"), [(28, 294), (14, 96), (3, 6), (1, 6)])
def test_features_of_gated_trunks(side, expected):
    trunk = GatedTrunk(side)
    assert trunk.n_features == expected
    assert trunk(torch.zeros((2, 1, side, side))).shape == (2, expected)


def test_the_published_trunk_has_its_size():
    assert sum(p.numel() for p in GatedTrunk().parameters()) == 205_004


def test_the_residual_trunk():
    trunk = ResNet20Trunk()
    assert trunk.n_features == 64
    assert trunk(torch.zeros((2, 3, 32, 32))).shape == (2, 64)
    # twenty layers less the classifier: a stem and nine blocks of two; He et al. count 0.27 million parameters
    assert sum(isinstance(m, torch.nn.Conv2d) for m in trunk.modules()) == 19
    assert 0.26e6 < sum(p.numel() for p in trunk.parameters()) < 0.28e6


def test_features_of_an_image_do_not_change_with_others():
    trunk = ResNet20Trunk(8).double().train()
    initialise(trunk, torch.Generator().manual_seed(1))
    x = torch.rand((3, 3, 16, 16), generator=torch.Generator().manual_seed(2)).double()
    torch.testing.assert_close(trunk(x)[1:2], trunk(x[1:2]), rtol=1e-9, atol=1e-9)


def test_mistakes():
    with pytest.raises(ConfigError, match="at least one pixel"):
        GatedTrunk(0)
    with pytest.raises(ConfigError, match="5 layers, not 2"):
        GatedTrunk(28, (1, 2))
    with pytest.raises(ConfigError, match="multiple of 8"):
        ResNet20Trunk(12)
