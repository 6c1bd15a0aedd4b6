"""Other likelihood engines behind one signature, each used as its own package uses it; only those that are installed.

An engine is made of one problem and gives the log-likelihoods of its T trees as a function of their branch lengths,
differentiable by torch. All count every distinct column once; merging patterns by relabelling is this package's own.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.likelihood.beagle import BeagleTree, library
from vbpi_mix.felsenstein.parametric import reversible_spectra
from vbpi_mix.model import JC69, PhyloModel, SubstitutionModel, substitution_model
from vbpi_mix.model.model_string import parse_model
from vbpi_mix.model.rate_matrices import rate_matrix
from vbpi_mix.model.substitution import ReversibleModel
from vbpi_mix.phylo import SitePatterns, TopologyBatch

Evaluate = Callable[[Tensor], Tensor]
_Evaluator = Callable[[np.ndarray, bool], tuple[float, np.ndarray | None]]
_CODES = "?ACMGRSVTWYHKDBN"  # by state set


@dataclass(frozen=True, kw_only=True)
class Problem:
    """T trees with branch lengths on one data set under one model.

    Arguments:
        data: its name.
        model: a model string.
        patterns: every distinct column, not merged further.
        topologies: T.
        lengths: (T, E) float64.
        dtype: of what the engine computes with.
    """

    data: str
    model: str
    patterns: SitePatterns
    topologies: TopologyBatch
    lengths: Tensor
    dtype: torch.dtype

    def substitution_model(self) -> SubstitutionModel:
        return substitution_model(self.model, self.patterns)


def ours(problem: Problem) -> Evaluate:
    """`PhyloModel.log_likelihood`: checks, transition matrices, kernels, the autograd step."""
    model = PhyloModel(problem.patterns, problem.patterns.n_taxa, substitution_model=problem.model, dtype=problem.dtype)
    return lambda lengths: model.log_likelihood(lengths, problem.topologies)


def definition(problem: Problem) -> Evaluate:
    """The plain torch definition of this package."""
    model = PhyloModel(problem.patterns, problem.patterns.n_taxa, substitution_model=problem.model, backend="reference")
    return lambda lengths: model.log_likelihood(lengths, problem.topologies)


def _torchtree_model(exchangeabilities: Tensor, frequencies: Tensor) -> Callable[[Tensor], Tensor]:
    """torchtree's transition matrices of an empirical model, its LG with our numbers in place of its own."""
    from torchtree.evolution.substitution_model.amino_acid import LG
    from torchtree.evolution.substitution_model.general import EmpiricalSubstitutionModel

    class Given(LG):
        def __init__(self) -> None:
            EmpiricalSubstitutionModel.__init__(self, None, exchangeabilities, frequencies)

    return Given().p_t


def torchtree(problem: Problem) -> Evaluate:
    """torchtree: its transition matrices and its pruning, tree by tree; rescaled where it has to, as its model does.

    Its trees are rooted. Root, top node and tip 0 are its last three: the root joins tip 0, by edge 0, and the top
    node, by an edge of length 0, which is the layout of the arrays here with that zero behind them.
    """
    from torchtree import Parameter
    from torchtree.evolution import tree_likelihood
    from torchtree.evolution.substitution_model import nucleotide

    model, dtype, n = problem.substitution_model(), problem.dtype, problem.patterns.n_taxa
    frequencies = model.root_frequencies().to(dtype)
    if isinstance(model, JC69):
        rates, weights, matrices = torch.ones(1), torch.ones(1), nucleotide.JC69(None).p_t
    else:
        rates, weights = model.site_rates.rates(), model.category_weights()
        exchangeabilities = model.exchangeabilities.to(dtype)
        if problem.patterns.n_states == 4:
            matrices = nucleotide.GTR(None, Parameter(None, exchangeabilities), Parameter(None, frequencies)).p_t
        else:
            matrices = _torchtree_model(exchangeabilities, frequencies)
    rates, weights = rates.to(dtype).reshape(1, -1), weights.to(dtype).reshape(-1, 1, 1)
    tips = list(torch.from_numpy(tip_partials(problem.patterns)).to(dtype))
    multiplicities = torch.from_numpy(problem.patterns.weights).to(dtype)
    indices = [
        [[n + i, *pair] for i, pair in enumerate(tree.tolist())] + [[2 * n - 2, 2 * n - 3, 0]]
        for tree in problem.topologies.children
    ]
    rescale = False

    def one(lengths: Tensor, order: list[list[int]]) -> Tensor:
        nonlocal rescale
        times = torch.cat((lengths, lengths.new_zeros(1)))
        arguments = (multiplicities, order, matrices(times[:, None] * rates), frequencies[None], weights)
        if not rescale:
            value = tree_likelihood.calculate_treelikelihood_discrete([*tips, *[None] * (n - 1)], *arguments)
            if not torch.isinf(value).any():
                return value
            rescale = True
        return tree_likelihood.calculate_treelikelihood_discrete_rescaled([*tips, *[None] * (n - 1)], *arguments)

    def evaluate(lengths: Tensor) -> Tensor:
        lengths = lengths.to(dtype)
        return torch.cat([one(lengths[t], order).reshape(1) for t, order in enumerate(indices)])

    return evaluate


class _Outside(torch.autograd.Function):
    """Values and, if wanted, gradients of one likelihood per tree that is computed outside torch."""

    @staticmethod
    def forward(ctx: Any, lengths: Tensor, trees: list[_Evaluator], wanted: bool) -> Tensor:  # type: ignore[override]
        values, gradients = [], []
        for tree, row in zip(trees, lengths.detach().numpy(), strict=True):
            value, gradient = tree(row, wanted)
            values.append(value)
            gradients.append(gradient)
        if wanted:
            ctx.save_for_backward(torch.from_numpy(np.stack(gradients)))
        return torch.tensor(values, dtype=torch.float64)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return gradient * grad[:, None], None, None


def physher(problem: Problem) -> Evaluate:
    """physher through torchtree-physher, with SSE and tip partials; float64 and one thread only.

    Its tree is written as that of `torchtree`, whose numbering it shares.
    """
    import torchtree_physher.physher as engine

    specification = parse_model(problem.model)
    names = [f"t{i}" for i in range(problem.patterns.n_taxa)]
    columns = np.repeat(problem.patterns.state_sets, problem.patterns.weights.astype(np.int64), axis=1)
    sequences = [(name, "".join(_CODES[s] for s in row)) for name, row in zip(names, columns, strict=True)]
    model = problem.substitution_model()
    trees = []
    for t in range(problem.topologies.n_trees):
        tree = engine.UnRootedTreeModel(_newick(problem, t, names), names)
        if isinstance(model, JC69):
            substitution = engine.JC69()
        else:
            proportions = model.exchangeabilities / model.exchangeabilities.sum()
            substitution = engine.GTR(proportions.tolist(), model.frequencies.tolist())
        gamma = specification.gamma
        sites = (
            engine.ConstantSiteModel(None)
            if gamma is None
            else engine.GammaSiteModel(gamma.shape, gamma.n_categories, None, None)
        )
        likelihood = engine.TreeLikelihoodModel(sequences, tree, substitution, sites, None, True, False, False)
        likelihood.request_gradient([engine.tree_likelihood_gradient_flags.TREE_HEIGHT])
        # physher holds no reference to what a likelihood was made of
        trees.append(partial(_by_physher, tree, likelihood, (substitution, sites)))
    return _outside(trees)


def _by_physher(tree: Any, likelihood: Any, _: Any, lengths: np.ndarray, wanted: bool) -> tuple[float, Any]:
    tree.set_parameters(lengths)
    return likelihood.log_likelihood(), np.array(likelihood.gradient()) if wanted else None


def _outside(trees: list[_Evaluator]) -> Evaluate:
    def evaluate(lengths: Tensor) -> Tensor:
        return _Outside.apply(lengths, trees, torch.is_grad_enabled() and lengths.requires_grad)  # type: ignore[return-value]

    return evaluate


def beagle(problem: Problem) -> Evaluate:
    """BEAGLE's C library; without rescaling, so for few taxa."""
    model = problem.substitution_model()
    assert isinstance(model, ReversibleModel)
    frequencies = model.root_frequencies()
    matrix = rate_matrix(model.exchangeabilities, frequencies)[None].numpy()
    values, left, right = (x[0] for x in reversible_spectra(matrix, frequencies[None].numpy()))
    partials = np.ascontiguousarray(tip_partials(problem.patterns).transpose(0, 2, 1))
    given = frequencies.numpy(), model.site_rates.rates().numpy(), model.category_weights().numpy()
    trees = [
        BeagleTree(children, partials, problem.patterns.weights, (values, left, right), *given)
        for children in problem.topologies.children
    ]
    return _outside([partial(_by_beagle, tree) for tree in trees])


def _by_beagle(tree: BeagleTree, lengths: np.ndarray, wanted: bool) -> tuple[float, np.ndarray | None]:
    return tree.evaluate(lengths, with_gradient=wanted)


def tip_partials(patterns: SitePatterns) -> np.ndarray:
    """(N, n, P) of state sets."""
    bits = np.arange(patterns.n_states, dtype=np.uint64)[:, None]
    return ((patterns.state_sets[:, None].astype(np.uint64) >> bits) & np.uint64(1)).astype(np.float64)


def _newick(problem: Problem, t: int, names: list[str]) -> str:
    lengths = problem.lengths[t].tolist()
    n = len(names)
    clades = [f"{name}:{lengths[i]!r}" for i, name in enumerate(names)]
    for i, (left, right) in enumerate(problem.topologies.children[t].tolist()):
        length = lengths[n + i] if i < n - 3 else 0.0
        clades.append(f"({clades[left]},{clades[right]}):{length!r}")
    return f"({clades[-1]},{clades[0]});"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How to make an engine, and what it is able to do.

    Arguments:
        make: from a problem.
        float32: whether it computes in float32 too.
        threads: whether it can use more than one.
        models: that it is used for here.
    """

    make: Callable[[Problem], Evaluate]
    float32: bool = True
    threads: bool = True
    models: tuple[str, ...] = ("JC69", "GTR+G4", "LG+G4")


def installed() -> dict[str, Engine]:
    """Engines by name, this package's first."""
    engines = {"vbpi_mix": Engine(make=ours)}
    if importlib.util.find_spec("torchtree") is not None:
        engines["torchtree"] = Engine(make=torchtree)
    if library() is not None:
        engines["beagle"] = Engine(make=beagle, float32=False, threads=False, models=("GTR+G4", "LG+G4"))
    if importlib.util.find_spec("torchtree_physher") is not None:
        engines["physher"] = Engine(make=physher, float32=False, threads=False, models=("JC69", "GTR+G4"))
    return engines
