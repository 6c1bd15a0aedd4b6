"""A step on a device against the compiled step. Torch's CPU plays the device, and Triton's interpreter its kernels."""

import copy
import importlib.util

import numpy as np
import pytest
import torch

from tests.variational.examples import random_mixture
from vbpi_mix.errors import BackendError
from vbpi_mix.estimators import Objective
from vbpi_mix.io.constraint_files import parse_constraints
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import DNA, SitePatterns, random_topologies
from vbpi_mix.phylo.data_type import PROTEIN, standard
from vbpi_mix.support import build_support
from vbpi_mix.train import TrainSettings, fit, load_checkpoint
from vbpi_mix.variational import PhyloProblem

pytestmark = pytest.mark.gpu
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
RATES = {"topology": 0.01, "base": 0.01, "flow": 0.003, "parameters": 0.01}
TAXA = tuple("abcdef")


@pytest.fixture(scope="module", autouse=True)
def interpreter():
    """Triton reads the variable once, when kernels are defined; `conftest` sets it where there is no GPU."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed: pip install 'vbpi_mix[gpu]'")
    from triton.runtime.interpreter import InterpretedFunction

    from vbpi_mix.felsenstein.gpu import jc69 as kernels

    if DEVICE.type == "cpu" and not isinstance(kernels.jc69_up, InterpretedFunction):
        pytest.skip("Triton was imported without its interpreter before, and there is no GPU")


def problem(
    model="JC69", n_components=3, seed=1, *, data_type=DNA, gradient="total", constraints=None, **options
):  # fmt: skip
    """Six taxa, nine site patterns (with two states all of them vary), and a mixture with random parameters."""
    generator = np.random.default_rng(seed)
    n_states = data_type.n_states
    states = (1 << generator.integers(0, n_states, size=(6, 9))).astype(data_type.dtype)
    states[2, 3] = data_type.missing
    if n_states == 2:
        states[:2] = np.array([[1], [2]])
    patterns = SitePatterns(
        state_sets=states, weights=generator.integers(1, 4, 9).astype(float), data_type=data_type
    )  # fmt: skip
    support = build_support(random_topologies(12, 6, generator))
    target = PhyloModel(patterns, 6, substitution_model=model, constraints=constraints)
    n_parameters = target.parameters.n_coordinates
    mixture = random_mixture(support, seed, n_components=n_components, n_parameters=n_parameters, **options)
    return PhyloProblem(target, mixture, gradient=gradient)


SMALL = {"flow_layers": 4, "flow_hidden": 5}


@pytest.mark.parametrize(
    ("model", "estimator", "options"),
    [
        ("JC69", "a2a", {"gradient": "path"}),
        ("JC69", "s2s", {"flow": "skew", "features": "split"}),
        ("JC69", "s2a", {"flow": "realnvp", "flow_per_component": True, **SMALL}),
        ("GTR{1,2,3,4,5,6}+F{0.1,0.2,0.3,0.4}+G2{0.5}", "s2a", {"flow": "planar", "tying": "topology"}),
        ("HKY+I+G2", "s2a", {"flow": "realnvp", "tying": "branch", **SMALL}),
        ("GTR+F+R2", "s2s", {"tie_parameters": True}),
        ("LG+G4", "a2a", {"flow": "skew", "data_type": PROTEIN}),
        ("WAG+I{0.2}+G2{0.5}", "s2a", {"data_type": PROTEIN}),
        ("MK+G2", "s2a", {"flow": "skew", "data_type": standard(2)}),
        ("MK+ASC", "s2s", {"data_type": standard(2)}),
        ("GTR2+FO+ASC", "s2a", {"data_type": standard(2)}),
    ],
)
def test_bound_and_gradients_equal_the_compiled_step(model, estimator, options):
    compiled = problem(model, **options)
    placed = copy.deepcopy(compiled)
    placed.place(DEVICE)
    objective = Objective(estimator=estimator, n_components=3, n_sampled=3 if estimator == "a2a" else 2, n_particles=2)
    steps = []
    for each in (compiled, placed):
        generator = torch.Generator().manual_seed(3)
        steps.append(objective.step(each, generator))
        steps[-1].loss.backward()
    ours, expected = steps[1], steps[0]
    assert ours.loss.device.type == DEVICE.type
    assert ours.bound.item() == pytest.approx(expected.bound.item(), rel=1e-12)
    assert ours.loss.item() == pytest.approx(expected.loss.item(), rel=1e-11)
    for (name, x), y in zip(compiled.named_parameters(), placed.parameters(), strict=True):
        tolerance = (1e-9 if x.dtype == torch.float64 else 1e-5) * float(x.grad.abs().max())
        torch.testing.assert_close(y.grad.cpu(), x.grad, rtol=0, atol=tolerance, msg=name)


def test_topologies_that_constraints_exclude():
    """A negative constraint, which the support cannot express: excluded trees count as worse than the others."""
    constraints = parse_constraints(["not ((a,b),c,d,e,f);"], TAXA)
    compiled = problem(constraints=constraints)
    placed = copy.deepcopy(compiled)
    placed.place(DEVICE)
    objective = Objective(estimator="a2a", n_components=3, n_sampled=3, n_particles=4)
    ours, expected = (objective.step(each, torch.Generator().manual_seed(1)) for each in (placed, compiled))
    assert ours.loss.item() == pytest.approx(expected.loss.item(), rel=1e-11)


def trained(folder, n_iterations, device, *, resume=False):
    """Bounds of a short training, and the trained problem; all of it in float64, whose rounding Adam does not see."""
    ours = problem("HKY+G2", 2, flow="skew")
    bounds = []
    result = fit(
        ours,
        Objective(estimator="s2a", n_components=2, n_sampled=1, n_particles=2),
        TrainSettings(n_iterations=n_iterations, learning_rates=RATES, metrics_every=1),
        generator=torch.Generator().manual_seed(4),
        on_progress=lambda progress: bounds.append(progress.bound),
        checkpoint=folder / "checkpoint.pt",
        resume=resume,
        device=device,
    )
    assert result.problem is ours
    return bounds, ours


def assert_equal_states(a, b, tolerance):
    if isinstance(a, dict):
        if "params" in a:  # a group of an optimiser, to which torch adds settings of its own
            a, b = ({name: x[name] for name in ("params", "lr", "betas", "eps")} for x in (a, b))
        assert a.keys() == b.keys()
        for name in a:
            assert_equal_states(a[name], b[name], tolerance)
    elif isinstance(a, list | tuple):
        for x, y in zip(a, b, strict=True):
            assert_equal_states(x, y, tolerance)
    elif isinstance(a, torch.Tensor):
        assert a.device == b.device == torch.device("cpu")
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_training_on_either_goes_on_on_the_other(tmp_path):
    """Ten steps here; five here and five there; five there and five here: equal bounds, parameters and checkpoints."""
    folders = [tmp_path / name for name in ("compiled", "placed", "back")]
    for folder in folders:
        folder.mkdir()
    expected, compiled = trained(folders[0], 10, None)
    for folder, devices in zip(folders[1:], ((None, DEVICE), (DEVICE, None)), strict=True):
        bounds, _ = trained(folder, 5, devices[0])
        more, ours = trained(folder, 10, devices[1], resume=True)
        assert bounds + more == pytest.approx(expected, rel=1e-8)
        for x, y in zip(compiled.parameters(), ours.parameters(), strict=True):
            assert y.device.type == "cpu"
            torch.testing.assert_close(y, x, rtol=0, atol=1e-6)
        assert ours.mixture.device is None
        saved, reference = (load_checkpoint(f / "checkpoint.pt") for f in (folder, folders[0]))
        for state in (saved, reference):
            state.pop("seconds"), state.pop("window_start")
        assert_equal_states(saved, reference, 1e-5)


def test_a_type_that_no_kernel_is_for():
    patterns = SitePatterns(state_sets=np.ones((6, 2), dtype=np.uint8), weights=np.ones(2))
    with pytest.raises(BackendError, match="'triton' computes in float64 only"):
        PhyloModel(patterns, 6, dtype=torch.float32).placed("triton")
