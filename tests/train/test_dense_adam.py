"""Adam by the compiled update against torch's own."""

import pytest
import torch
from torch import nn

from vbpi_mix.train.dense_adam import DenseAdam

BETAS, EPSILON = (0.9, 0.999), 1e-8
SHAPES = [(4, 5), (3,), (2, 3, 2)]


def both(seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    values = [torch.randn(shape, generator=generator, dtype=dtype) for shape in SHAPES]
    found = []
    for kind in (DenseAdam, torch.optim.Adam):
        parameters = [nn.Parameter(x.clone()) for x in values]
        groups = [{"params": parameters[:2], "lr": 0.01}, {"params": parameters[2:], "lr": 0.1}]
        found.append((parameters, kind(groups, betas=BETAS, eps=EPSILON)))
    return found, generator


def steps(found, generator, n, without=()):
    """The same gradients for all; parameters `without` have none."""
    for _ in range(n):
        gradients = [torch.randn(shape, generator=generator, dtype=found[0][0][0].dtype) for shape in SHAPES]
        for parameters, optimizer in found:
            optimizer.zero_grad(set_to_none=True)
            for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
                p.grad = None if i in without else g.clone()
            optimizer.step()


def assert_equal(found, tolerance=1e-13):
    (ours, _), (theirs, _) = found
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_it_is_adam(dtype, tolerance):
    found, generator = both(dtype=dtype)
    steps(found, generator, 30)
    for _, optimizer in found:
        optimizer.param_groups[0]["lr"] = 0.003
    steps(found, generator, 30)
    assert_equal(found, tolerance)


def test_a_parameter_without_a_gradient_stays_and_its_clock_stands():
    found, generator = both()
    steps(found, generator, 5)
    before = found[0][0][1].detach().clone()
    steps(found, generator, 3, without=(1,))
    torch.testing.assert_close(found[0][0][1].detach(), before, rtol=0, atol=0)
    steps(found, generator, 5)
    assert_equal(found)


@pytest.mark.parametrize("swapped", [False, True])
def test_states_are_those_of_torch(swapped):
    found, generator = both()
    steps(found, generator, 7)
    states = [optimizer.state_dict() for _, optimizer in found]
    fresh, _ = both(seed=2)
    for (parameters, optimizer), (old, _), state in zip(fresh, found, states[::-1] if swapped else states, strict=True):
        for p, q in zip(parameters, old, strict=True):
            p.data.copy_(q)
        optimizer.load_state_dict(state)
    steps(fresh, generator, 7)
    assert_equal(fresh)


def test_a_state_of_other_groups_is_refused():
    found, _ = both()
    state = found[0][1].state_dict()
    state["param_groups"] = state["param_groups"][:1]
    with pytest.raises(ValueError, match="other groups"):
        found[0][1].load_state_dict(state)
