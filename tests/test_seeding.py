import numpy as np
import pytest
import torch

from vbpi_mix.seeding import JoinedGenerators, numpy_generator, standard_normal, torch_generator


def torch_draws(*args, **kwargs):
    return torch.rand(50, generator=torch_generator(*args, **kwargs), dtype=torch.float64).numpy()


def numpy_draws(*args, **kwargs):
    return numpy_generator(*args, **kwargs).random(50)


@pytest.mark.parametrize("draws", [torch_draws, numpy_draws])
def test_seed_and_stream_decide_everything(draws):
    np.testing.assert_array_equal(draws(7, stream=3), draws(7, stream=3))
    kinds = [draws(seed, stream=stream) for seed in (0, 1, 2**40) for stream in (0, 1, 2)]
    for i, a in enumerate(kinds):
        for b in kinds[:i]:
            assert abs(np.corrcoef(a, b)[0, 1]) < 0.75
            assert (a != b).all()
    np.testing.assert_array_equal(draws(5), draws(5, stream=0))


@pytest.mark.parametrize("draws", [torch_draws, numpy_draws])
def test_global_generators_are_left_alone(draws):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    draws(7)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_draws_are_the_same_on_every_machine():
    """A run is named by its seed: these numbers must never change."""
    assert numpy_generator(1, stream=2).integers(0, 1000, 4).tolist() == [426, 233, 37, 47]
    assert torch.randint(0, 1000, (4,), generator=torch_generator(1, stream=2)).tolist() == [418, 308, 80, 136]


def test_joined_generators_give_what_each_gives_alone():
    every, n_rows = [torch_generator(seed) for seed in (1, 2, 3)], (4, 1, 3)
    joined = standard_normal(8, 5, JoinedGenerators(generators=tuple(every), n_rows=n_rows))
    again = [torch_generator(seed) for seed in (1, 2, 3)]
    alone = [standard_normal(n, 5, generator) for n, generator in zip(n_rows, again, strict=True)]
    assert torch.equal(joined, torch.cat(alone))
    assert all(torch.equal(a.get_state(), b.get_state()) for a, b in zip(every, again, strict=True))
