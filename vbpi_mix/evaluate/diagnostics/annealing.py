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
    Threshold,
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
        _judged(
            ANNEALED_LOG_ML_ERROR,
            error,
            key="annealed_log_ml",
            label="Marginal log-likelihood",
            value=annealing.log_ml.value,
            text=f"{annealing.log_ml.value:,.3f} ± {error:.3f}",
            good="known well",
            otherwise="anneal more groups or particles",
            definition=f"from {annealing.n_groups} independent groups of {annealing.n_particles} particles annealed in "
            f"{annealing.n_temperatures} temperatures"
            + (" and as many that went back (Bennett's acceptance ratio)" if annealing.bridged else "")
            + "; the error is from the groups' spread",
            unit=" nats",
        ),
        _judged(
            ASDSF,
            found.asdsf,
            key="sides_asdsf",
            label="Agreement of split frequencies",
            text=f"ASDSF {found.asdsf:.4f} over {found.n_splits:,} splits",
            good=f"chains {sides} agree",
            otherwise=f"chains {sides} differ",
            definition=f"average standard deviation of the frequencies of splits in trees {sides}, splits with at "
            "least 0.1 in one of them (as MrBayes counts)",
        ),
        _judged(
            SPLIT_DIFFERENCE,
            found.largest,
            key="sides_largest_difference",
            label="Largest difference of a split",
            text=f"{found.largest:.3f}",
            good="no split differs much",
            otherwise="run further rounds",
            definition=f"largest difference of a split's frequency between trees {sides}",
        ),
        _judged(
            SPLIT_ERROR,
            found.error,
            key="split_error",
            label="Error of split frequencies",
            text=f"up to {found.error:.3f}",
            good="every split is known well",
            otherwise="chains pass slowly between trees with and without a split: run further rounds",
            definition="largest standard error of a split's frequency in all trees, by how long its presence stays "
            "correlated along the chains, of splits with 0.1 to 0.9",
        ),
        _judged(
            R_HAT,
            found.r_hat,
            key="r_hat",
            label="R-hat of the chains",
            text=f"{found.r_hat:.3f}" + ("" if worst is None else f" ({worst.name})"),
            good="chains agree",
            otherwise="chains have not mixed yet",
            definition="rank-normalised R-hat (Vehtari et al. 2021), the largest of log joint density, tree length and "
            "parameters",
        ),
        _judged(
            CHAIN_DRAWS,
            annealing.effective_size,
            key="effective_size",
            label="Effective sample size",
            text=f"{annealing.effective_size:,.0f} of {annealing.n_trees:,} trees",
            good="enough",
            otherwise="run further rounds",
            definition="independent trees that would be as informative, by the slowest of log joint density, tree "
            "length and parameters (bulk effective size)",
        ),
        _judged(
            ANCESTORS_LEFT,
            annealing.ancestors_left,
            key="ancestors_left",
            label="First particles left",
            text=f"{annealing.ancestors_left:.0%}",
            good="the annealed groups are diverse",
            otherwise="few particles were near the posterior: more particles help",
            definition="share of the particles drawn at the beginning that have descendants at the posterior",
        ),
    ]


def _judged(
    threshold: Threshold, judged: float, *, key: str, label: str, text: str, good: str, otherwise: str,
    definition: str, value: float | None = None, unit: str = "",
) -> Diagnostic:  # fmt: skip
    """A diagnostic that is good or not by a threshold, which its definition names; its value is what is judged."""
    level = threshold.level(judged)
    return Diagnostic(
        key=key,
        label=label,
        value=judged if value is None else value,
        text=text,
        level=level,
        verdict=good if level == "good" else otherwise,
        definition=f"{definition}. {threshold.words}{unit}",
    )
