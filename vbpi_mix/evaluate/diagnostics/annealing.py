"""Diagnostics of an annealed posterior: marginal likelihood, agreement of its sides, mixing."""

import math

from vbpi_mix.evaluate.annealing import AnnealingEvaluation
from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic
from vbpi_mix.evaluate.diagnostics.thresholds import (
    ANCESTORS_LEFT,
    ANNEALED_LOG_ML_ERROR,
    ASDSF,
    CHAIN_DRAWS,
    R_HAT,
    SPLIT_DIFFERENCE,
    SPLIT_ERROR,
)


def annealing_diagnostics(annealing: AnnealingEvaluation) -> list[Diagnostic]:
    """Everything that groups and chains say of themselves; of chains alone, nothing on the marginal likelihood."""
    found = _group_and_chain_diagnostics(annealing)
    unknown = () if annealing.n_groups else ("annealed_log_ml", "ancestors_left")
    if math.isnan(annealing.convergence.error):  # a posterior kept before it was estimated
        unknown = (*unknown, "split_error")
    return [d for d in found if d.key not in unknown]


def _group_and_chain_diagnostics(annealing: AnnealingEvaluation) -> list[Diagnostic]:
    found = annealing.convergence
    sides = "of independent groups" if annealing.n_groups else "of two groups of chains"
    sides = "from the mixture and from candidate topologies" if annealing.both_sides else sides
    error = annealing.log_ml.standard_error
    worst = max(found.scalars, key=lambda s: s.r_hat if math.isfinite(s.r_hat) else math.inf, default=None)
    return [
        Diagnostic(
            key="annealed_log_ml",
            label="Marginal log-likelihood",
            value=annealing.log_ml.value,
            text=f"{annealing.log_ml.value:,.3f} ± {error:.3f}",
            level=ANNEALED_LOG_ML_ERROR.level(error),
            verdict="known well" if ANNEALED_LOG_ML_ERROR.level(error) == "good" else "anneal more groups or particles",
            definition=f"from {annealing.n_groups} independent groups of {annealing.n_particles} particles annealed in "
            f"{annealing.n_temperatures} temperatures"
            + (" and as many that went back (Bennett's acceptance ratio)" if annealing.bridged else "")
            + "; the error is from the groups' spread. "
            f"{ANNEALED_LOG_ML_ERROR.words} nats",
        ),
        Diagnostic(
            key="sides_asdsf",
            label="Agreement of split frequencies",
            value=found.asdsf,
            text=f"ASDSF {found.asdsf:.4f} over {found.n_splits:,} splits",
            level=ASDSF.level(found.asdsf),
            verdict=f"chains {sides} agree" if ASDSF.level(found.asdsf) == "good" else f"chains {sides} differ",
            definition=f"average standard deviation of the frequencies of splits in trees {sides}, splits with at "
            f"least 0.1 in one of them (as MrBayes counts). {ASDSF.words}",
        ),
        Diagnostic(
            key="sides_largest_difference",
            label="Largest difference of a split",
            value=found.largest,
            text=f"{found.largest:.3f}",
            level=SPLIT_DIFFERENCE.level(found.largest),
            verdict="no split differs much"
            if SPLIT_DIFFERENCE.level(found.largest) == "good"
            else "run further rounds",
            definition=f"largest difference of a split's frequency between trees {sides}. {SPLIT_DIFFERENCE.words}",
        ),
        Diagnostic(
            key="split_error",
            label="Error of split frequencies",
            value=found.error,
            text=f"up to {found.error:.3f}",
            level=SPLIT_ERROR.level(found.error),
            verdict="every split is known well"
            if SPLIT_ERROR.level(found.error) == "good"
            else "chains pass slowly between trees with and without a split: run further rounds",
            definition="largest standard error of a split's frequency in all trees, by how long its presence stays "
            f"correlated along the chains, of splits with 0.1 to 0.9. {SPLIT_ERROR.words}",
        ),
        Diagnostic(
            key="r_hat",
            label="R-hat of the chains",
            value=found.r_hat,
            text=f"{found.r_hat:.3f}" + ("" if worst is None else f" ({worst.name})"),
            level=R_HAT.level(found.r_hat),
            verdict="chains agree" if R_HAT.level(found.r_hat) == "good" else "chains have not mixed yet",
            definition="rank-normalised R-hat (Vehtari et al. 2021), the largest of log joint density, tree length and "
            f"parameters. {R_HAT.words}",
        ),
        Diagnostic(
            key="effective_size",
            label="Effective sample size",
            value=annealing.effective_size,
            text=f"{annealing.effective_size:,.0f} of {annealing.n_trees:,} trees",
            level=CHAIN_DRAWS.level(annealing.effective_size),
            verdict="enough" if CHAIN_DRAWS.level(annealing.effective_size) == "good" else "run further rounds",
            definition="independent trees that would be as informative, by the slowest of log joint density, tree "
            f"length and parameters (bulk effective size). {CHAIN_DRAWS.words}",
        ),
        Diagnostic(
            key="ancestors_left",
            label="First particles left",
            value=annealing.ancestors_left,
            text=f"{annealing.ancestors_left:.0%}",
            level=ANCESTORS_LEFT.level(annealing.ancestors_left),
            verdict="the annealed groups are diverse"
            if ANCESTORS_LEFT.level(annealing.ancestors_left) == "good"
            else "few particles were near the posterior: more particles help",
            definition="share of the particles drawn at the beginning that have descendants at the posterior. "
            f"{ANCESTORS_LEFT.words}",
        ),
    ]
