"""Checks of the likelihood's arguments; each message names what was found and where."""

import math

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.phylo import SitePatterns, TopologyBatch


def check_inputs(topologies: TopologyBatch, patterns: SitePatterns) -> None:
    """Raise InputError unless patterns and topologies have the same number of taxa and patterns are well-formed."""
    if topologies.n_trees == 0:
        raise InputError("no trees: the likelihood needs at least one topology")
    expected = np.dtype(patterns.data_type.dtype).name
    if patterns.state_sets.ndim != 2 or patterns.state_sets.dtype.name != expected:
        raise InputError(
            f"state sets must be a {expected} array (taxa, patterns), not {patterns.state_sets.dtype.name} "
            f"of shape {patterns.state_sets.shape}"
        )
    if patterns.n_taxa != topologies.n_taxa:
        raise InputError(f"the topologies have {topologies.n_taxa} taxa, the site patterns {patterns.n_taxa}")
    if patterns.weights.shape != (patterns.n_patterns,):
        raise InputError(f"{patterns.n_patterns} site patterns with weights of shape {patterns.weights.shape}")


def check_four_states(patterns: SitePatterns) -> None:
    """Raise InputError unless the patterns are of four states."""
    if patterns.n_states != 4:
        raise InputError(f"Jukes and Cantor's model is one of 4 states, the site patterns have {patterns.n_states}")


def check_lengths(branch_lengths: Tensor, topologies: TopologyBatch) -> None:
    """Raise unless branch lengths (T, E) are float64, finite and not negative."""
    check_tensor("branch_lengths", branch_lengths, (topologies.n_trees, topologies.n_edges))
    lengths = branch_lengths.detach()
    lowest, highest = lengths.aminmax()  # NaN if there is any, which fails both comparisons
    if lowest.item() >= 0 and highest.item() < math.inf:
        return
    bad = ~((lengths >= 0) & (lengths < torch.inf))
    tree, edge = bad.nonzero()[0].tolist()
    raise NumericalError(
        f"the length of edge {edge} of tree {tree} is {lengths[tree, edge].item()}: "
        "branch lengths must be finite and not negative"
    )


def check_model(
    matrices: Tensor, frequencies: Tensor, category_weights: Tensor, topologies: TopologyBatch, n: int = 4
) -> None:
    """Raise unless matrices (T, E, C, n, n) and what `check_probabilities` checks are float64 and finite."""
    n_categories = _count(category_weights)
    check_tensor("transition_matrices", matrices, (topologies.n_trees, topologies.n_edges, n_categories, n, n))
    finite = matrices.detach().isfinite()
    if not finite.all():
        tree, edge, category, _, _ = (~finite).nonzero()[0].tolist()
        raise NumericalError(f"the transition matrix of edge {edge} of tree {tree}, category {category}, is not finite")
    check_probabilities(frequencies, category_weights, topologies.n_trees, n)


def check_probabilities(frequencies: Tensor, category_weights: Tensor, n_trees: int | None = None, n: int = 4) -> None:
    """Raise unless frequencies (n,) and category weights (C,) are float64, finite and not negative.

    With `n_trees` T, frequencies (T, n) and category weights (T, C), of every tree by itself, are right too.
    """
    of_trees = [() if x.ndim < 2 or n_trees is None else (n_trees,) for x in (frequencies, category_weights)]
    check_tensor("root_frequencies", frequencies, (*of_trees[0], n))
    check_tensor("category_weights", category_weights, (*of_trees[1], _count(category_weights)))
    for name, tensor in (("root_frequencies", frequencies), ("category_weights", category_weights)):
        if not (tensor.detach().isfinite() & (tensor.detach() >= 0)).all():
            raise NumericalError(f"{name} must be finite and not negative, not {tensor.tolist()}")


def check_models(
    rate_matrices: Tensor, frequencies: Tensor, rates: Tensor, category_weights: Tensor, n_trees: int, n: int = 4
) -> None:
    """Raise unless every tree has a rate matrix, frequencies > 0, category rates and weights >= 0: float64, finite."""
    n_categories = _count(category_weights)
    shapes = {
        "rate_matrices": (rate_matrices, (n_trees, n, n)),
        "root_frequencies": (frequencies, (n_trees, n)),
        "category_rates": (rates, (n_trees, n_categories)),
        "category_weights": (category_weights, (n_trees, n_categories)),
    }
    for name, (tensor, shape) in shapes.items():
        check_tensor(name, tensor, shape)
        finite = tensor.detach().isfinite().reshape(n_trees, -1).all(dim=1)
        if not finite.all():
            tree = int((~finite).nonzero()[0])
            raise NumericalError(f"{name} of tree {tree} are not finite: {tensor[tree].tolist()}")
    smallest = frequencies.detach().amin(dim=1)
    if not (smallest > 0).all():
        tree = int((smallest <= 0).nonzero()[0])
        raise NumericalError(f"root_frequencies of tree {tree} must be positive, not {frequencies[tree].tolist()}")
    for name, tensor in (("category_rates", rates), ("category_weights", category_weights)):
        negative = (tensor.detach() < 0).any(dim=1)
        if negative.any():
            tree = int(negative.nonzero()[0])
            raise NumericalError(f"{name} of tree {tree} must not be negative: {tensor[tree].tolist()}")


def check_generators(generators: Tensor, n_categories: int, n: int = 4) -> None:
    """Raise unless generators (C, n, n) are float64 and finite."""
    check_tensor("generators", generators, (n_categories, n, n))
    if not generators.detach().isfinite().all():
        raise NumericalError("generators must be finite")


def check_spectrum(eigenvalues: Tensor, products: Tensor, n_categories: int, n: int = 4) -> None:
    """Raise unless eigenvalues (C, n) are float64, finite and not positive, and products (n, n, n) finite."""
    check_tensor("eigenvalues", eigenvalues, (n_categories, n))
    check_tensor("products", products, (n, n, n))
    if not (eigenvalues.detach().isfinite() & (eigenvalues.detach() <= 0)).all():
        raise NumericalError(f"eigenvalues must be finite and not positive, not {eigenvalues.tolist()}")
    if not products.detach().isfinite().all():
        raise NumericalError("products of eigenvectors must be finite")


def _count(category_weights: Tensor) -> int:
    if category_weights.ndim not in (1, 2) or category_weights.shape[-1] == 0:
        raise InputError(f"category_weights has shape {tuple(category_weights.shape)}, expected (C,) with C >= 1")
    return category_weights.shape[-1]


def check_tensor(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise InputError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")
    if tensor.dtype != torch.float64:
        raise InputError(f"{name} is {tensor.dtype}, expected torch.float64")
