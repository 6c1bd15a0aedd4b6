"""Times of one p and one q: the units in which the paper counts the work of its estimators."""

import statistics

import torch
from torch import Tensor

from vbpi_mix.errors import NumericalError
from vbpi_mix.estimators import all_components
from vbpi_mix.experiment.run import Run
from vbpi_mix.model import ModelFamily, PhyloModel
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.replication.table3.rows import Table3Row
from vbpi_mix.replication.timing import alternating_times
from vbpi_mix.seeding import torch_generator
from vbpi_mix.threads import torch_threads

_STREAM = 1500
_BATCH = 10  # trees at a time, as many as a step's particles of one component
_LARGEST_ERROR = 1e-8  # nats


@torch.no_grad()
def operation_costs(
    run: Run, row: Table3Row, *, n_blocks: int = 15, block_seconds: float = 0.05
) -> dict[str, float | int]:
    """Numbers of p and q that a training step needs per particle, and the time of one of each.

    `p_ms`: the log joint of one tree: log-likelihood of the whole alignment, branch-length prior, topology prior.
    `q_ms`: the log density of one tree, topology and branch lengths, under one component: its subsplits looked up and
    summed over all rootings, the features of its branches, the flow inverted, the normal densities, the Jacobians.
    Trees come encoded (children and subsplit ids), as the sampler gives them; drawing them is in neither. Both are
    forward only, without gradients, for 10 trees drawn from the first component in one call, divided by 10, with the
    threads that the kernels use. Medians of blocks in turns; `_fastest` the least disturbed block.
    Before the timing the compiled likelihood is compared with its plain definition on these trees.

    Arguments:
        run: target and mixture.
        row: the row, whose estimator says how many p and q it takes.
        n_blocks: Number of blocks.
        block_seconds: Length of a block in seconds, about.

    Raises:
        NumericalError: the two likelihoods differ by more than 1e-8.
    """
    generator = torch_generator(run.config.seed, stream=_STREAM)
    problem = run.problem
    with torch_threads(1):
        draws = problem.mixture.draw(all_components(problem.n_components), _BATCH, generator)
        first, log_lengths = draws.encoded[:_BATCH], draws.log_lengths[:_BATCH]
        topologies = first.topologies
        _gate(run, log_lengths.exp(), topologies)
        component = torch.zeros(1, dtype=torch.int64)
        seconds = alternating_times(
            {
                "p": lambda: problem.model.log_joint(log_lengths.exp(), topologies),
                "q": lambda: problem.mixture.log_prob(first, log_lengths, component),
            },
            n_blocks=n_blocks,
            block_seconds=block_seconds,
        )
    n_p, n_q = row.n_evaluations
    costs: dict[str, float | int] = {"n_p": n_p, "n_q": n_q}
    for name, values in seconds.items():
        costs[f"{name}_ms"] = 1e3 * statistics.median(values) / _BATCH
        costs[f"{name}_ms_fastest"] = 1e3 * min(values) / _BATCH
    return costs


def _gate(run: Run, lengths: Tensor, topologies: TopologyBatch) -> None:
    model = run.problem.model
    fixed = model.substitution_model
    assert not isinstance(fixed, ModelFamily)
    plain = PhyloModel(model.patterns, model.n_taxa, substitution_model=fixed, backend="reference").log_likelihood(
        lengths, topologies
    )
    worst = float((model.log_likelihood(lengths, topologies) - plain).abs().max())
    if not worst <= _LARGEST_ERROR:
        raise NumericalError(f"the compiled likelihood differs from its definition by {worst}: nothing is timed")
