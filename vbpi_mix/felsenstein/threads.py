"""The threads of the likelihood are those of all compiled kernels."""

from vbpi_mix.threads import get_threads, run_tasks, set_threads

__all__ = ["get_threads", "run_tasks", "set_threads"]
