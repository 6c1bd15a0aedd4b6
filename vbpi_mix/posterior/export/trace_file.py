"""Scores of posterior trees as a log that Tracer reads."""

from pathlib import Path

import numpy as np

from vbpi_mix.io.files import atomic_write
from vbpi_mix.posterior.export.tree_stream import TreeStream


def write_trace(stream: TreeStream, path: Path | str) -> None:
    """A tab-separated table with `#` comments before it, one row per tree in the order of the tree files.

    Columns: state from 1, log_posterior (log-likelihood plus log prior: up to the evidence), log_likelihood, log_prior
    (all natural), tree_length, the parameters of the substitution model if any are inferred, component (from 1), and
    for weighted trees log_weight, the logarithm of a weight that sums to 1. Tracer itself knows no weights.

    Raises:
        InputError: the file cannot be written.
    """
    columns = ["state", "log_posterior", "log_likelihood", "log_prior", "tree_length"]
    columns += [*stream.parameter_names, "component"]
    with atomic_write(path) as file:
        file.writelines(f"# {line}\n" for line in stream.describe())
        file.write("\t".join([*columns, "log_weight"] if stream.weighted else columns) + "\n")
        for chunk in stream.read():
            numbers = [
                chunk.log_likelihood + chunk.log_prior,
                chunk.log_likelihood,
                chunk.log_prior,
                chunk.branch_lengths.sum(axis=1),
            ]
            with np.errstate(divide="ignore"):
                log_weights = np.log(chunk.weights / stream.total_weight).tolist()
            parameters = chunk.parameters.tolist()
            components = (chunk.components + 1).tolist()
            rows = zip(*(x.tolist() for x in numbers), parameters, components, log_weights, strict=True)
            for state, (joint, likelihood, prior, length, values, component, log_weight) in enumerate(
                rows, chunk.first + 1
            ):
                scores = f"{joint:.6f}\t{likelihood:.6f}\t{prior:.6f}\t{length:.9g}"
                line = "\t".join([str(state), scores, *(f"{x:.9g}" for x in values), str(component)])
                file.write(f"{line}\t{log_weight:.9g}\n" if stream.weighted else f"{line}\n")
