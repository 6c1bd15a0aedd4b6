import pytest
import torch

from tests.statistics import assert_mean
from vbpi_mix.errors import ConfigError
from vbpi_mix.images import Minibatches, fixed_images

IMAGES = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).repeat(1, 1, 2, 2)


def batches_of(seed=1, **other):
    return Minibatches(IMAGES, 3, seed=seed, **{"pixels": "grey", **other})


def test_an_epoch_shows_every_image_at_most_once():
    batches = batches_of()
    assert batches.n_per_epoch == 3
    epochs = [
        torch.cat([batches(i)[:, 0, 0, 0] for i in range(3 * e, 3 * e + 3)]).mul(255).round().tolist() for e in (0, 1)
    ]
    assert [len(set(epoch)) for epoch in epochs] == [9, 9]
    assert epochs[0] != epochs[1]


def test_a_batch_depends_on_its_iteration_alone():
    one, other = batches_of(pixels="binary"), batches_of(pixels="binary")
    forward = [one(i) for i in range(7)]
    assert all(torch.equal(other(i), forward[i]) for i in reversed(range(7)))
    assert any(not torch.equal(batches_of(seed=2)(i), batches_of()(i)) for i in range(7))


def test_dynamic_binarisation_has_the_bytes_as_its_means():
    images = torch.tensor([0, 51, 204, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    batches = Minibatches(images, 1, seed=1, pixels="binary")
    drawn = torch.stack([batches(i)[0, 0] for i in range(4000)])
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert_mean(drawn[:, [0, 1], [1, 0]].numpy(), [0.2, 0.8])
    assert float(drawn[:, 0, 0].max()) == 0
    assert float(drawn[:, 1, 1].min()) == 1


def test_images_to_evaluate_on_are_fixed():
    assert torch.equal(fixed_images(IMAGES * 20, "binary"), fixed_images(IMAGES * 20, "binary"))
    torch.testing.assert_close(fixed_images(IMAGES, "grey"), IMAGES.float() / 255)


def test_too_few_images():
    with pytest.raises(ConfigError, match=r"batch of 11 .* 10"):
        Minibatches(IMAGES, 11, seed=1, pixels="grey")
