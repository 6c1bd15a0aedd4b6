"""Which device a fit trains and anneals on, with and without a GPU."""

import numpy as np
import pytest
import torch

from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.experiment import Silent, check_device, make_config
from vbpi_mix.experiment.device import annealing_device, choose_device, start_device
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import DNA, SitePatterns, all_topologies
from vbpi_mix.phylo.data_type import PROTEIN, standard
from vbpi_mix.support import build_support
from vbpi_mix.variational import PhyloMixture, PhyloProblem

CUDA = torch.device("cuda")


class Listener(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


def problem(n_patterns, data_type=DNA, model="JC69", **options):
    sets = np.ones((5, n_patterns), dtype=data_type.dtype)
    sets[0] = 1 << (np.arange(n_patterns) % 3)
    patterns = SitePatterns(state_sets=sets, weights=np.ones(n_patterns), data_type=data_type)
    target = PhyloModel(patterns, 5, substitution_model=model, **options)
    return PhyloProblem(target, PhyloMixture(build_support(all_topologies(5)), n_components=2))


def chosen(word, ours, particles=10):
    listener = Listener()
    config = make_config(alignment="x", components=2, sampled=2, particles=particles)
    return choose_device(word, ours, config, listener), listener.messages


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def gpu(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu():
    ours = problem(4)
    assert chosen("cpu", ours) == (None, [])
    device, (message,) = chosen("auto", ours)
    assert device is None
    assert "finds no CUDA device here" in message
    for check in (check_device, lambda word: chosen(word, ours)):
        with pytest.raises(BackendError, match=r"'cuda': PyTorch \S+ finds no CUDA device here; use --device cpu"):
            check("cuda")
    with pytest.raises(ConfigError, match="'gpu': choose one of cpu, cuda, auto"):
        check_device("gpu")


@pytest.mark.usefixtures("gpu")
def test_with_a_gpu():
    """`auto` sends it steps from 2e7 on: trees times edges times patterns times categories."""
    ours = problem(3)
    assert chosen("cpu", ours) == (None, [])
    assert chosen("cuda", ours) == (CUDA, ["training on a GPU"])
    device, (message,) = chosen("auto", ours)
    assert device is None
    assert "too small for a GPU (2.8e+02 " in message  # 20 trees, 7 edges, 2 patterns up to a relabelling
    n = -(-int(2e7) // (2 * 7 * 2))
    assert chosen("auto", ours, n) == (CUDA, ["training on a GPU"])
    assert chosen("auto", ours, n - 1)[0] is None
    assert chosen("auto", problem(3, model="K80{2}+G4{0.5}"), -(-n * 2 // (3 * 4)))[0] == CUDA


@pytest.mark.usefixtures("no_gpu")
def test_annealing_without_a_gpu():
    listener, model = Listener(), problem(4).model
    assert annealing_device("cpu", model, 10**9, listener) is None
    assert listener.messages == []
    assert annealing_device("auto", model, 10**9, listener) is None
    assert "annealing on the CPU: PyTorch" in listener.messages[0]
    with pytest.raises(BackendError, match="use --device cpu"):
        annealing_device("cuda", model, 64, listener)


@pytest.mark.usefixtures("gpu")
def test_annealing_with_a_gpu():
    """`auto` sends it moves from the same size on, that of all particles of a group together."""
    model, listener = problem(3).model, Listener()
    n = -(-int(2e7) // (7 * 2))  # edges, patterns up to a relabelling
    assert annealing_device("auto", model, n - 1, listener) is None
    assert "annealing on the CPU: a step is too small" in listener.messages[0]
    assert annealing_device("auto", model, n, listener) == CUDA
    assert annealing_device("cuda", model, 4, listener) == CUDA
    assert listener.messages[1:3] == ["annealing on a GPU", "the rounds at the posterior that follow run on the CPU"]


@pytest.mark.usefixtures("gpu")
def test_weighing_topologies_with_a_gpu():
    """`auto` goes by a batch of 512 topologies, as the CPU has them."""
    listener, few = Listener(), problem(3).model
    assert start_device("auto", few, listener) is None
    assert "weighing topologies on the CPU: a step is too small" in listener.messages[0]
    assert start_device("cuda", few, listener) == CUDA
    n_patterns = -(-int(2e7) // (512 * 7))
    sets = (1 << np.random.default_rng(0).integers(4, size=(5, n_patterns))).astype(np.uint8)
    many = PhyloModel(SitePatterns(state_sets=sets, weights=np.ones(n_patterns)), 5, substitution_model="K80{2}")
    assert start_device("auto", many, listener) == CUDA
    assert listener.messages[1:] == ["weighing topologies on a GPU"] * 2


@pytest.mark.usefixtures("gpu")
def test_other_than_four_states():
    """The work of a step grows with the square of the number of states."""
    for data_type, model in ((PROTEIN, "LG+G4{0.5}"), (standard(3), "MK")):
        ours = problem(3, data_type, model)
        assert chosen("cuda", ours) == (CUDA, ["training on a GPU"])
        n = -(-int(2e7 * 16) // (2 * 7 * ours.model.parts[0].n_categories * 3 * data_type.n_states**2))
        assert chosen("auto", ours, n) == (CUDA, ["training on a GPU"])
        assert chosen("auto", ours, n - 1)[0] is None


@pytest.mark.usefixtures("gpu")
def test_a_type_without_kernels():
    ours = problem(3, dtype=torch.float32)
    device, (message,) = chosen("auto", ours, 10**8)
    assert device is None
    assert "'triton' computes in float64 only" in message
    with pytest.raises(BackendError, match="float64 only"):
        chosen("cuda", ours)
    check_device("cuda")
    with pytest.raises(BackendError, match="float64 only"):
        check_device("cuda", ours.model)
