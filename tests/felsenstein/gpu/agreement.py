"""The GPU kernels against another backend."""

import torch

from vbpi_mix.felsenstein.gpu import backend as triton_backend

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
INTERPRET = DEVICE == "cpu"


def results(function, arguments, topologies, patterns, backend, **options):
    """Values and gradients, on the cpu; one gradient per tree for frequencies and weights."""
    device = DEVICE if backend == "triton" else "cpu"
    leaves = [a.detach().to(device).requires_grad_() for a in arguments]
    if options:
        values = getattr(triton_backend, function.__name__)(*leaves, topologies, patterns, **options)
    else:
        values = function(*leaves, topologies, patterns, backend=backend)
    assert values.device.type == device
    factors = torch.linspace(0.5, 2.0, len(values), dtype=torch.float64, device=device)
    gradients = torch.autograd.grad((values * factors).sum(), leaves)
    return [values.detach().cpu(), *(g.cpu() for g in gradients)]


def assert_agree(function, arguments, topologies, patterns, *, other="reference", tolerance=1e-12, **options):
    ours = results(function, arguments, topologies, patterns, "triton", **options)
    for own, definition in zip(ours, results(function, arguments, topologies, patterns, other), strict=True):
        torch.testing.assert_close(own, definition, rtol=10 * tolerance, atol=tolerance * float(definition.abs().max()))
