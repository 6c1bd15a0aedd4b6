"""Diagnostics of several runs: how far they agree."""

import numpy as np

from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic
from vbpi_mix.evaluate.diagnostics.thresholds import ASDSF, LOG_ML_DIFFERENCE, SPLIT_DIFFERENCE
from vbpi_mix.evaluate.distances.splits import SplitAgreement


def agreement_diagnostics(
    splits: SplitAgreement, total_variation: float, evidence: list[tuple[float, float]]
) -> list[Diagnostic]:
    """Diagnostics of the agreement between several runs.

    Arguments:
        splits: their split frequencies.
        total_variation: largest over pairs of runs, of the topology frequencies.
        evidence: (marginal log-likelihood, standard error) of each.
    """
    n = len(splits.frequencies)
    asdsf_level = ASDSF.level(splits.asdsf)
    split_level = SPLIT_DIFFERENCE.level(splits.max_difference)
    values, errors = np.array(evidence).T
    apart = np.abs(values[:, None] - values[None, :])
    both = np.sqrt(errors[:, None] ** 2 + errors[None, :] ** 2)
    ratios = np.divide(apart, both, out=np.zeros_like(apart), where=both > 0)
    evidence_level = LOG_ML_DIFFERENCE.level(float(ratios.max()))
    return [
        Diagnostic(
            key="asdsf",
            label="ASDSF between runs",
            value=splits.asdsf,
            text=f"{splits.asdsf:.4f} over {splits.n_compared} splits",
            level=asdsf_level,
            verdict={
                "good": "the runs agree on the splits",
                "fair": "the runs roughly agree on the splits",
                "poor": "the runs disagree on the splits: none of them can be trusted alone",
            }[asdsf_level],
            definition=f"average standard deviation of split frequencies over the {n} runs, over the splits that reach "
            f"{splits.min_frequency} in one of them, as in MrBayes. {ASDSF.words}",
        ),
        Diagnostic(
            key="max_split_difference",
            label="Largest split difference",
            value=splits.max_difference,
            text=f"{splits.max_difference:.4f}",
            level=split_level,
            verdict={
                "good": "no support differs noticeably between runs",
                "fair": "one support at least differs noticeably between runs",
                "poor": "one support at least depends on the run",
            }[split_level],
            definition="largest difference of a split's frequency between two runs, over the same splits. "
            f"{SPLIT_DIFFERENCE.words}",
        ),
        Diagnostic(
            key="tv_topologies",
            label="Topologies between runs",
            value=total_variation,
            text=f"total variation {total_variation:.3f}",
            level="info",
            verdict="the largest difference between runs in the probability of any set of topologies",
            definition="half the sum of absolute differences of the weighted topology frequencies, largest over pairs "
            "of runs; draws of a flat posterior give large values by chance alone",
        ),
        Diagnostic(
            key="log_ml_spread",
            label="Marginal likelihood between runs",
            value=float(apart.max()),
            text=f"at most {apart.max():.3f} nats apart, {ratios.max():.1f} standard errors",
            level=evidence_level,
            verdict={
                "good": "the runs agree on the marginal likelihood within its stated error",
                "fair": "the runs differ by more than the stated errors explain",
                "poor": "the stated errors of the marginal likelihood are too small: do not trust them",
            }[evidence_level],
            definition="largest difference of the marginal log-likelihood between two runs, and the same in units of "
            f"the two standard errors together. {LOG_ML_DIFFERENCE.words}",
        ),
    ]
