"""The GPU kernels, on a GPU where there is one and otherwise in Triton's interpreter, which is slow: small cases."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from tests.felsenstein.gpu.agreement import DEVICE, INTERPRET, assert_agree, results
from vbpi_mix.errors import BackendError, NumericalError
from vbpi_mix.felsenstein import jc69_log_likelihood, tree_log_likelihood
from vbpi_mix.felsenstein.gpu import backend as triton_backend
from vbpi_mix.felsenstein.gpu.launch import Launch, PlacedTopologies
from vbpi_mix.felsenstein.reference import jc69_matrices
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.phylo import SitePatterns, all_topologies, merge_relabelled, random_topologies, site_patterns, stack

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(("n_taxa", "n_patterns", "n_categories"), [(3, 1, 1), (4, 33, 3), (7, 32, 1), (9, 20, 2)])
def test_equal_to_the_definition(n_taxa, n_patterns, n_categories):
    """Ambiguity codes, columns without data, tiny and very long branches, an invariant category."""
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(2, n_taxa, generator)
    patterns = examples.patterns(n_taxa, n_patterns, generator)
    lengths = examples.lengths(topologies, generator)
    assert_agree(jc69_log_likelihood, [lengths], topologies, patterns)
    model = examples.random_model(n_categories, generator)
    assert_agree(tree_log_likelihood, model.arguments(lengths.numpy()), topologies, patterns)


def test_topologies_on_the_device():
    """Their nodes are in post-order and no more: children in either order."""
    generator = np.random.default_rng(8)
    topologies = random_topologies(3, 7, generator)
    patterns = examples.patterns(7, 9, generator)
    lengths = examples.lengths(topologies, generator)
    children = torch.from_numpy(topologies.children[:, :, ::-1].copy()).to(DEVICE)
    found = jc69_log_likelihood(lengths.to(DEVICE), PlacedTopologies(children), patterns, backend="triton")
    expected = jc69_log_likelihood(lengths, topologies, patterns, backend="reference")
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-12, atol=0.0)
    assert PlacedTopologies(children)[1:].n_trees == 2


def test_likelihoods_below_the_smallest_double():
    """Changes on every other edge of length 1e-12, in two categories that end at very different powers of two."""
    generator = np.random.default_rng(1)
    topologies = examples.balanced(64, generator).batch()
    patterns = examples.patterns(64, 3, generator, codes="plain")
    lengths = torch.full((1, topologies.n_edges), 1e-12, dtype=torch.float64)
    assert_agree(jc69_log_likelihood, [lengths], topologies, patterns, tolerance=1e-11)
    values = jc69_log_likelihood(lengths, topologies, patterns)
    assert float(values) < -380 * math.log(10) * patterns.weights[:-1].sum()
    quarter = np.full(4, 0.25)
    model = examples.Model(
        q=examples.gtr(np.ones(6), quarter), frequencies=quarter, rates=np.array([0.01, 1.0]), weights=np.full(2, 0.5)
    )
    arguments = model.arguments(lengths.numpy())
    assert_agree(tree_log_likelihood, arguments, topologies, patterns, other="numba", tolerance=1e-10)


@pytest.mark.parametrize(("n_taxa", "model"), [(3, "JC69"), (300, "JC69"), (3, "general"), (20, "general")])
def test_memory_that_was_not_written_is_not_read(n_taxa, model):
    """Fresh memory is NaN."""
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(1, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 3, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(1, topologies.n_edges)))
    torch.use_deterministic_algorithms(True)
    try:
        if model == "JC69":
            assert_agree(jc69_log_likelihood, [lengths], topologies, patterns, other="numba", tolerance=1e-11)
        else:
            arguments = examples.random_model(2, generator).arguments(lengths.numpy())
            assert_agree(tree_log_likelihood, arguments, topologies, patterns, other="numba", tolerance=1e-10)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.slow
def test_two_thousand_taxa():
    generator = np.random.default_rng(7)
    topologies = stack([examples.caterpillar(2000, generator), examples.balanced(2000, generator)])
    patterns = examples.patterns(2000, 3, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)))
    assert_agree(jc69_log_likelihood, [lengths], topologies, patterns, other="numba", tolerance=1e-11)


def test_an_alignment(repository):
    """More patterns than threads in a program."""
    patterns = merge_relabelled(site_patterns(read_alignment(repository / "data" / "alignments" / "DS1.fasta")))
    generator = np.random.default_rng(3)
    topologies = random_topologies(1, patterns.n_taxa, generator)
    lengths = torch.from_numpy(generator.exponential(0.1, size=(1, topologies.n_edges)))
    assert_agree(jc69_log_likelihood, [lengths], topologies, patterns, other="numba", launch=Launch(block=1024))


def test_chunks_of_trees_and_repetition_do_not_change_a_bit():
    """Memory not written is NaN: it must not be read."""
    generator = np.random.default_rng(4)
    topologies = examples.shapes(5, 6, generator)
    patterns = examples.patterns(6, 3, generator)
    lengths = examples.lengths(topologies, generator)
    arguments = examples.random_model(2, generator).arguments(lengths.numpy())
    first = [
        *results(jc69_log_likelihood, [lengths], topologies, patterns, "triton"),
        *results(tree_log_likelihood, arguments, topologies, patterns, "triton"),
    ]
    launch = Launch(workspace_bytes=20_000)  # one tree of two categories, two of one
    torch.use_deterministic_algorithms(True)
    try:
        second = [
            *results(jc69_log_likelihood, [lengths], topologies, patterns, "triton", launch=launch),
            *results(tree_log_likelihood, arguments, topologies, patterns, "triton", launch=launch),
        ]
    finally:
        torch.use_deterministic_algorithms(False)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


def test_float32():
    """The error stated in the documentation."""
    generator = np.random.default_rng(5)
    topologies = examples.shapes(2, 8, generator)
    patterns = examples.patterns(8, 30, generator)
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges))).to(DEVICE)
    arguments = [a.to(DEVICE) for a in examples.random_model(2, generator).arguments(lengths.cpu().numpy())]
    for function, inputs in ((triton_backend.jc69, [lengths]), (triton_backend.general, arguments)):
        single, double = (
            function(*inputs, topologies, patterns, with_gradient=True, dtype=dtype)
            for dtype in (torch.float32, torch.float64)
        )
        for rough, exact in zip(single, double, strict=True):
            assert rough.dtype == torch.float64
            error = float((rough - exact).abs().max() / exact.abs().max())
            assert 0 < error < 1e-5


def test_sites_without_data_add_nothing():
    generator = np.random.default_rng(6)
    topologies = examples.shapes(2, 5, generator)
    lengths = examples.lengths(topologies, generator)
    for sets, weights in ((np.full((5, 2), 15), np.array([3.0, 1.0])), (np.zeros((5, 0)), np.zeros(0))):
        empty = SitePatterns(state_sets=sets.astype(np.uint8), weights=weights)
        for result in results(jc69_log_likelihood, [lengths], topologies, empty, "triton"):
            torch.testing.assert_close(result, torch.zeros_like(result), rtol=0, atol=1e-13)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter's own arithmetic
def test_impossible_data():
    """Different states at the ends of zero-length branches: -inf, gradient zero, other trees untouched."""
    topologies = all_topologies(4)[np.array([0, 0])]
    sets = np.array([[1, 2], [2, 2], [4, 2], [8, 2]], dtype=np.uint8)
    patterns = SitePatterns(state_sets=sets, weights=np.ones(2))
    lengths = torch.tensor([[0.0] * 5, [0.1] * 5], dtype=torch.float64)
    matrices = [jc69_matrices(lengths).unsqueeze(2), torch.full((4,), 0.25).double(), torch.ones(1).double()]
    assert_agree(jc69_log_likelihood, [lengths], topologies, patterns)
    assert_agree(tree_log_likelihood, matrices, topologies, patterns)
    values, gradient = results(jc69_log_likelihood, [lengths], topologies, patterns, "triton")
    assert values[0] == -torch.inf
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).all()
    kept = SitePatterns(state_sets=sets, weights=np.array([0.0, 1.0]))  # an impossible site that does not count
    values, _ = results(jc69_log_likelihood, [lengths], topologies, kept, "triton")
    assert values[0].item() == pytest.approx(np.log(0.25))
    matrices[0] = matrices[0] * 1e200
    with pytest.raises(NumericalError, match=r"tree 0 is .*no probabilities"):
        results(tree_log_likelihood, matrices, topologies, patterns, "triton")


def test_no_gradient_is_computed_when_none_is_wanted():
    generator = np.random.default_rng(8)
    topologies = examples.shapes(2, 5, generator)
    patterns = examples.patterns(5, 3, generator)
    lengths = examples.lengths(topologies, generator)
    with torch.no_grad():
        values = jc69_log_likelihood(
            lengths.to(DEVICE, copy=True).requires_grad_(), topologies, patterns, backend="triton"
        )
    assert not values.requires_grad
    torch.testing.assert_close(values.cpu(), jc69_log_likelihood(lengths, topologies, patterns))
    inputs = [a.to(DEVICE) for a in examples.random_model(2, generator).arguments(lengths.numpy())]
    values, *gradients = triton_backend.general(*inputs, topologies, patterns, with_gradient=False)
    torch.testing.assert_close(
        values.cpu(), tree_log_likelihood(*(a.cpu() for a in inputs), topologies, patterns), rtol=1e-12, atol=0
    )
    assert [g.numel() for g in gradients] == [0, 0, 0]


def test_without_triton(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton.runtime.interpreter", None)
    lengths = torch.full((3, 5), 0.1, dtype=torch.float64)
    patterns = examples.patterns(4, 3, np.random.default_rng(0))
    with pytest.raises(BackendError, match=r"Triton .*vbpi_mix\[gpu\], .*'numba'"):
        jc69_log_likelihood(lengths, all_topologies(4), patterns, backend="triton")


def test_tensors_on_several_devices():
    arguments = [torch.ones(shape, dtype=torch.float64, device=DEVICE) for shape in ((3, 5, 1, 4, 4), (4,))]
    weights = torch.ones(1, dtype=torch.float64, device="meta")
    patterns = examples.patterns(4, 3, np.random.default_rng(0))
    with pytest.raises(BackendError, match=f"on several devices: {DEVICE}.*, meta"):
        triton_backend.general(*arguments, weights, all_topologies(4), patterns, with_gradient=False)


ON_CPU = """
import numpy as np, torch
from vbpi_mix.errors import BackendError
from vbpi_mix.felsenstein import jc69_log_likelihood
from vbpi_mix.phylo import SitePatterns, all_topologies
patterns = SitePatterns(state_sets=np.ones((4, 2), dtype=np.uint8), weights=np.ones(2))
try:
    jc69_log_likelihood(torch.full((3, 5), 0.1).double(), all_topologies(4), patterns, backend="triton")
except BackendError as error:
    print(error)
"""

COMPILE = """
import re
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from vbpi_mix.felsenstein.gpu import general as general_kernels
from vbpi_mix.felsenstein.gpu import jc69 as jc69_kernels
from vbpi_mix.felsenstein.gpu import wide as wide_kernels
INTEGERS = {"n", "n_blocks", "n_categories"}
KERNELS = (
    jc69_kernels.jc69_up, jc69_kernels.jc69_down,
    general_kernels.general_up, general_kernels.general_down,
)
WIDE = (wide_kernels.wide_up, wide_kernels.wide_down)
BINARY = {"N_STATES": 2, "WIDTH": 2, "BY_TIMES": False}
PROTEIN = {"N_STATES": 20, "WIDTH": 32, "BY_TIMES": False}
for kernels, float64, more in (
    (KERNELS, True, {}), (KERNELS, False, {}), (KERNELS, True, {"n_blocks": 1, "n_categories": 1}),  # 1 is compiled in
    (WIDE, True, BINARY), (WIDE, True, PROTEIN), (WIDE, False, PROTEIN), (WIDE[1:], True, PROTEIN | {"BY_TIMES": True}),
):
    constants = {"BLOCK": 32, "FLOAT64": float64} | more
    types = {"children": "*i32", "states": "*i32" if more.get("WIDTH") == 32 else "*u8"}
    types |= {"logs": "*fp64", "exponents": "*fp64"}
    types |= {name: "i32" for name in INTEGERS} | {name: "constexpr" for name in constants}
    for function in kernels:
        known = {name: value for name, value in constants.items() if name in function.arg_names}
        signature = {name: types.get(name, "*fp64" if float64 else "*fp32") for name in function.arg_names}
        source = ASTSource(fn=function, signature=signature, constexprs=known)
        options = {"num_warps": 4 if more.get("WIDTH") == 32 else 1, "num_stages": 1}
        code = triton.compile(source, target=GPUTarget("cuda", 80, 32), options=options).asm["ptx"]
        print(function.__name__, *(bool(re.search(rf"\\b{word}\\.", code)) for word in ("atom", "red")))
"""


def run(code, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_tensors_on_the_cpu(tmp_path):
    (line,) = run(ON_CPU, tmp_path)
    assert line.startswith("the likelihood backend 'triton' needs tensors on a CUDA device, not on cpu: ")
    assert ("choose 'numba'" in line) == INTERPRET


@pytest.mark.skipif(sys.platform != "linux", reason="the compiler comes with Triton for Linux")
def test_kernels_compile_without_atomic_operations(tmp_path):
    """To machine code of a GPU, which need not be there."""
    names = ["jc69_up", "jc69_down", "general_up", "general_down"]
    wide = ["wide_up", "wide_down"]
    expected = [f"{name} False False" for name in names * 3 + wide * 3 + wide[1:]]
    assert run(COMPILE, tmp_path) == expected
