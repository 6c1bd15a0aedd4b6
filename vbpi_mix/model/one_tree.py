"""The likelihood of one tree, from an alignment and a Newick string."""

from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.errors import InputError
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.model.build import specified_model
from vbpi_mix.model.model_string import parse_model
from vbpi_mix.model.phylo_model import PhyloModel
from vbpi_mix.phylo import Alignment, SitePatterns, Topology, site_patterns


@dataclass(frozen=True, kw_only=True)
class TreeLikelihood:
    """A tree, its log-likelihood, and the gradient in its branch lengths.

    Arguments:
        log_likelihood: natural logarithm.
        topology: Unrooted topology of the tree; its edges are numbered as `Topology` says.
        branch_lengths: (E,) expected substitutions per site.
        gradient: (E,) derivatives of the log-likelihood in them; zero where the tree cannot produce the data.
    """

    log_likelihood: float
    topology: Topology
    branch_lengths: np.ndarray
    gradient: np.ndarray


def fixed_model(text: str, patterns: SitePatterns) -> PhyloModel:
    """The likelihood under a model string with the values that it gives.

    Raises:
        ConfigError: a string that is no model of the data, or lacks values.
        InputError: frequencies to be counted in an alignment that lacks a state, or sites that do not vary with +ASC.
    """
    specification = parse_model(text)
    model = str(specification) if specification.ascertained else specified_model(specification, patterns)
    return PhyloModel(patterns, patterns.n_taxa, substitution_model=model)


def log_likelihood(alignment: Alignment, newick: str, model: str = "JC69") -> TreeLikelihood:
    """Log-likelihood of a tree with its branch lengths, and its gradient in them.

    For many trees at once, or gradients in other parameters: `PhyloModel` and `felsenstein.tree_log_likelihood`.

    Arguments:
        alignment: See `io.alignments.read_alignment`.
        newick: One binary tree of all taxa, with branch lengths; where it has a root, the two edges there are one.
        model: A model string, see `model_string.parse_model`.

    Raises:
        InputError: A string that is no such tree, or frequencies to be counted in an alignment that lacks a state.
        ConfigError: A string that is no model, with the character where it goes wrong.

    Examples:
        >>> import vbpi_mix as vm
        >>> alignment = vm.read_alignment("primates")
        >>> (topology,) = vm.veryfasttree_bootstrap(alignment, 0, seed=1).topologies
        >>> newick = topology.newick(alignment.taxa, [0.1] * 21)
        >>> round(vm.log_likelihood(alignment, newick, "HKY{4.0}+F+G4{0.5}").log_likelihood, 2)
        -6060.05
    """
    topology, lengths = parse_newick(newick, alignment.taxa)
    if lengths is None:
        raise InputError("the tree has no branch lengths; the likelihood needs them")
    patterns = site_patterns(alignment)
    target = fixed_model(model, patterns)
    leaf = torch.from_numpy(lengths)[None].requires_grad_()
    value = target.log_likelihood(leaf, topology.batch())
    (gradient,) = torch.autograd.grad(value, leaf, torch.ones_like(value))
    return TreeLikelihood(
        log_likelihood=float(value.detach()), topology=topology, branch_lengths=lengths, gradient=gradient[0].numpy()
    )
