"""Random trees from 3 to 300 taxa, random codes and models: all backends agree, or refuse with the same message."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.felsenstein import examples
from vbpi_mix.errors import VBPIError
from vbpi_mix.felsenstein import BACKENDS, jc69_log_likelihood, length_log_likelihood, set_threads, tree_log_likelihood
from vbpi_mix.phylo import SitePatterns

HAS_GPU = torch.cuda.is_available()
USABLE = sorted(b for b in BACKENDS if b != "triton" or HAS_GPU)
FAULTS = ("no", "taxa", "nan length", "negative length", "infinite matrix", "shape", "type", "no tree", "weights")


@pytest.fixture(autouse=True)
def default_threads():
    yield
    set_threads(None)


def device(backend):
    return "cuda" if backend == "triton" else "cpu"


def spoil(fault, lengths, arguments, topologies, patterns, generator):
    """The same problem with one thing wrong."""
    place = tuple(int(generator.integers(n)) for n in lengths.shape)
    if fault == "taxa":
        patterns = SitePatterns(state_sets=np.vstack([patterns.state_sets] * 2), weights=patterns.weights)
    elif fault in ("nan length", "negative length"):
        lengths = lengths.clone()
        lengths[place] = float("nan") if fault == "nan length" else -1e-9
    elif fault == "infinite matrix":
        arguments = (arguments[0].clone(), *arguments[1:])
        arguments[0][place] = torch.inf
    elif fault == "shape":
        lengths = lengths[:, :-1]
        arguments = (arguments[0][:, :-1], *arguments[1:])
    elif fault == "type":
        lengths = lengths.float()
        arguments = (arguments[0].float(), *arguments[1:])
    elif fault == "no tree":
        topologies = topologies[np.zeros(0, dtype=np.int64)]
        lengths = lengths[:0]
        arguments = (arguments[0][:0], *arguments[1:])
    elif fault == "weights":
        patterns = SitePatterns(state_sets=patterns.state_sets, weights=patterns.weights[:-1])
    return lengths, arguments, topologies, patterns


def outcome(function, tensors, rest, backend):
    """Values and gradients, or the error with its message."""
    leaves = [x.detach().to(device(backend)).requires_grad_() for x in tensors]
    try:
        values = function(leaves, *rest, backend)
    except VBPIError as error:
        return type(error), str(error)
    factors = torch.linspace(0.5, 2.0, len(values), dtype=torch.float64, device=values.device)
    # a tree that cannot produce the data has gradient zero; its value must not spoil the sum
    sums = torch.where(values.isfinite(), values, 0.0) * factors
    return [x.detach().cpu() for x in (values, *torch.autograd.grad(sums.sum(), leaves))]


def through_jc69(leaves, _model, topologies, patterns, backend):
    return jc69_log_likelihood(*leaves, topologies, patterns, backend=backend)


def through_matrices(leaves, _model, topologies, patterns, backend):
    return tree_log_likelihood(*leaves, topologies, patterns, backend=backend)


def through_lengths(leaves, model, topologies, patterns, backend):
    constants = [x.to(leaves[0].device) for x in model]
    return length_log_likelihood(*leaves, *constants, topologies, patterns, backend=backend)


def assert_same(outcomes):
    definition = outcomes.pop("reference")
    for backend, ours in outcomes.items():
        if isinstance(definition, tuple):
            assert ours == definition, backend
            continue
        for x, y in zip(ours, definition, strict=True):
            finite = y[y.isfinite()]
            scale = float(finite.abs().max()) if len(finite) else 0.0
            torch.testing.assert_close(
                x, y, rtol=1e-10, atol=1e-11 * scale + 1e-12, msg=lambda m, b=backend: f"{b}: {m}"
            )


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    n_taxa=st.one_of(st.integers(3, 30), st.integers(31, 300)),
    n_patterns=st.integers(1, 150),
    n_categories=st.integers(1, 5),
    kind=st.sampled_from(["caterpillar and balanced", "random"]),
    mean_length=st.sampled_from([None, 0.0, 1e-12, 1e-3, 0.1, 3.0]),
    codes=st.sampled_from(["all", "plain"]),
    fault=st.sampled_from(FAULTS),
    n_threads=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_backends_agree_or_refuse_alike(
    n_taxa, n_patterns, n_categories, kind, mean_length, codes, fault, n_threads, seed
):
    if n_taxa > 100:  # the reference takes long
        n_patterns, n_categories = min(n_patterns, 70), min(n_categories, 2)
    generator = np.random.default_rng(seed)
    set_threads(n_threads)
    topologies = examples.shapes(4, n_taxa, generator)
    topologies = topologies[np.arange(2) if kind != "random" else np.arange(2, 4)]
    patterns = examples.patterns(n_taxa, n_patterns, generator, codes=codes)
    lengths = examples.lengths(topologies, generator)
    if mean_length is not None:
        lengths = mean_length * torch.from_numpy(generator.exponential(size=lengths.shape))
    model = examples.random_model(n_categories, generator)
    arguments = model.arguments(lengths.numpy())
    generators = torch.from_numpy(model.rates[:, None, None] * model.q)
    problem = spoil(fault, lengths, arguments, topologies, patterns, generator)
    lengths, arguments, *rest = problem
    constants = (arguments[0], generators, *arguments[1:])
    for function, tensors in (
        (through_jc69, [lengths]),
        (through_matrices, arguments),
        (through_lengths, [lengths]),
    ):
        assert_same({b: outcome(function, tensors, (constants, *rest), b) for b in USABLE})


def test_every_fault_is_refused():
    """Each of the faults above is an error of at least one function, so that the comparison says something."""
    for fault in FAULTS[1:]:
        generator = np.random.default_rng(0)
        topologies = examples.shapes(2, 8, generator)
        patterns = examples.patterns(8, 10, generator)
        lengths = examples.lengths(topologies, generator)
        arguments = examples.random_model(2, generator).arguments(lengths.numpy())
        lengths, arguments, *rest = spoil(fault, lengths, arguments, topologies, patterns, generator)
        outcomes = [
            outcome(through_jc69, [lengths], (None, *rest), "numba"),
            outcome(through_matrices, arguments, (None, *rest), "numba"),
        ]
        assert any(isinstance(o, tuple) for o in outcomes), fault
