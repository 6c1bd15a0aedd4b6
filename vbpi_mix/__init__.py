"""Variational Bayesian phylogenetic inference with mixtures of subsplit Bayesian networks.

The names below are loaded when first used, so that importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vbpi_mix._version import __version__

if TYPE_CHECKING:
    from vbpi_mix.analysis import export_run, fit, load, stream_trees
    from vbpi_mix.errors import VBPIError
    from vbpi_mix.experiment import Run, fit_alignment, fit_folder, make_config
    from vbpi_mix.felsenstein import jc69_log_likelihood, tree_log_likelihood
    from vbpi_mix.io.alignments import read_alignment
    from vbpi_mix.io.newick import parse_newick
    from vbpi_mix.io.trees import read_trees
    from vbpi_mix.model import PhyloModel, log_likelihood
    from vbpi_mix.phylo import site_patterns
    from vbpi_mix.posterior import consensus_tree, draw_consensus, summarise_splits
    from vbpi_mix.support.iqtree import iqtree_bootstrap
    from vbpi_mix.support.veryfasttree import veryfasttree_bootstrap

_HOMES = {
    "VBPIError": "errors",
    "Run": "experiment",
    "export_run": "analysis",
    "fit": "analysis",
    "fit_alignment": "experiment",
    "fit_folder": "experiment",
    "load": "analysis",
    "make_config": "experiment",
    "stream_trees": "analysis",
    "jc69_log_likelihood": "felsenstein",
    "tree_log_likelihood": "felsenstein",
    "parse_newick": "io.newick",
    "read_alignment": "io.alignments",
    "read_trees": "io.trees",
    "PhyloModel": "model",
    "log_likelihood": "model",
    "site_patterns": "phylo",
    "consensus_tree": "posterior",
    "draw_consensus": "posterior",
    "summarise_splits": "posterior",
    "iqtree_bootstrap": "support.iqtree",
    "veryfasttree_bootstrap": "support.veryfasttree",
}

__all__ = [
    "PhyloModel",
    "Run",
    "VBPIError",
    "__version__",
    "consensus_tree",
    "draw_consensus",
    "export_run",
    "fit",
    "fit_alignment",
    "fit_folder",
    "iqtree_bootstrap",
    "jc69_log_likelihood",
    "load",
    "log_likelihood",
    "make_config",
    "parse_newick",
    "read_alignment",
    "read_trees",
    "site_patterns",
    "stream_trees",
    "summarise_splits",
    "tree_log_likelihood",
    "veryfasttree_bootstrap",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vbpi_mix' has no attribute '{name}'")
    return getattr(import_module(f"vbpi_mix.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
