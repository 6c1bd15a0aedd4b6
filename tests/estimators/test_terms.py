import pytest
import torch

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ParticleTerms

BATCH, S, K, M = 2, 3, 6, 4


def terms(**changed):
    generator = torch.Generator().manual_seed(1)
    shapes = {"log_likelihood": (BATCH, S, K), "log_prior": (BATCH, S, K), "log_q": (BATCH, S, K, M)}
    shapes["log_q_score"] = (BATCH, S, K)
    return ParticleTerms(
        **{name: torch.randn(changed.get(name, shape), generator=generator) for name, shape in shapes.items()}
    )


def test_groups_are_consecutive_particles_and_stand_before_the_components():
    whole = terms()
    grouped = whole.grouped(2)
    for group in range(2):
        at = slice(3 * group, 3 * group + 3)
        for name in ("log_likelihood", "log_prior", "log_q_score"):
            assert torch.equal(getattr(grouped, name)[:, group], getattr(whole, name)[:, :, at])
        assert torch.equal(grouped.log_q[:, group], whole.log_q[:, :, at])
    assert grouped.log_q.shape == (BATCH, 2, S, 3, M)
    assert whole.grouped(1) is whole


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("log_prior", (BATCH, S, K + 1)),
        ("log_q", (BATCH, S, M)),
        ("log_q", (BATCH, K, S, M)),
        ("log_q_score", (S, K)),
        ("log_likelihood", (K,)),
    ],
)
def test_shapes_that_disagree_are_refused(name, shape):
    with pytest.raises(ConfigError, match=name if name != "log_likelihood" else r"\(6,\)"):
        terms(**{name: shape})
