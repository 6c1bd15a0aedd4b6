"""One-line warnings about a run's numbers."""

import math

from vbpi_mix.evaluate import Evaluation
from vbpi_mix.evaluate.diagnostics.thresholds import WARNED_ERROR, WARNED_MISSING
from vbpi_mix.experiment.run import Run


def caution(run: Run, evaluation: Evaluation) -> str | None:
    """Reasons to doubt the importance weights: a heavy tail, or a posterior that candidates did not cover.

    Arguments:
        run: the run.
        evaluation: evaluation of its draws.

    Returns:
        One line, or None if there is nothing to say: Pareto k is at most its threshold, and the last round of growth
        found at most `WARNED_MISSING` of the posterior outside the list, or left standard errors of frequencies below
        `WARNED_ERROR`.
    """
    if evaluation.annealing is not None:
        annealing = evaluation.annealing
        if annealing.converged:
            return None
        sides = "both sides" if annealing.both_sides else "two halves of the annealed groups"
        more = "--rounds" if annealing.both_sides else "--groups or --particles"
        return (
            f"{sides} do not agree yet (ASDSF {annealing.convergence.asdsf:.4f}, R-hat "
            f"{annealing.convergence.r_hat:.2f}): go on with `vbpi-mix anneal` and more {more}"
        )
    reasons = []
    if evaluation.tail.verdict == "unreliable":
        reasons.append(
            f"a few draws dominate (Pareto k {evaluation.pareto_k:.2f}, above {evaluation.tail.threshold:.2f}; "
            f"{evaluation.ess:,.0f} effective of {evaluation.n_samples:,} draws)"
        )
    growth = {} if run.folder is None else run.folder.read_growth()
    missing = growth.get("missing_mass", 0.0)
    # of a flat posterior the list is a sample, never complete; what counts then is how well it tells frequencies
    uncertain = growth.get("standard_error", math.inf) >= WARNED_ERROR
    if missing > WARNED_MISSING and uncertain and not run.config.refresh_every:
        reasons.append(f"about {missing:.0%} of the posterior was still new when the search for topologies ended")
    if not reasons:
        return None
    return (
        f"{' and '.join(reasons)}: the marginal likelihood, its standard error and weighted probabilities may be "
        "wrong; train longer (--resume with more --iterations), or start again with more candidates or --refresh-every"
    )
