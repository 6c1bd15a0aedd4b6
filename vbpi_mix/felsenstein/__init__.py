"""The likelihood of trees: Felsenstein's pruning recursion and its gradient."""

from vbpi_mix.felsenstein.op import BACKENDS, jc69_log_likelihood, tree_log_likelihood
from vbpi_mix.felsenstein.threads import get_threads, set_threads

__all__ = ["BACKENDS", "get_threads", "jc69_log_likelihood", "set_threads", "tree_log_likelihood"]
