"""The likelihood of trees: Felsenstein's pruning recursion and its gradient."""

from vbpi_mix.felsenstein.backends import BACKENDS
from vbpi_mix.felsenstein.likelihood import (
    jc69_log_likelihood,
    length_log_likelihood,
    spectral_log_likelihood,
    tree_log_likelihood,
)
from vbpi_mix.felsenstein.parametric import parametric_log_likelihood
from vbpi_mix.felsenstein.second_derivatives import (
    jc69_hessian,
    jc69_hessian_vector,
    jc69_second_derivatives,
    tree_hessian,
    tree_hessian_vector,
    tree_second_derivatives,
)
from vbpi_mix.felsenstein.spectral_hessian import spectral_hessian
from vbpi_mix.threads import get_threads, set_threads

__all__ = [
    "BACKENDS",
    "get_threads",
    "jc69_hessian",
    "jc69_hessian_vector",
    "jc69_log_likelihood",
    "jc69_second_derivatives",
    "length_log_likelihood",
    "parametric_log_likelihood",
    "set_threads",
    "spectral_hessian",
    "spectral_log_likelihood",
    "tree_hessian",
    "tree_hessian_vector",
    "tree_log_likelihood",
    "tree_second_derivatives",
]
