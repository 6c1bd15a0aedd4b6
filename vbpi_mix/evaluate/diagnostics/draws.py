"""Diagnostics of a fit from its importance weights and topologies."""

import math

import numpy as np

from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic, share_text
from vbpi_mix.evaluate.diagnostics.thresholds import EFFECTIVE_DRAWS, GAP, LOG_ML_ERROR, UNSEEN_TOPOLOGIES, Level
from vbpi_mix.evaluate.distances.topologies import credible_size, entropy
from vbpi_mix.evaluate.evaluation import Evaluation


def weight_diagnostics(evaluation: Evaluation) -> list[Diagnostic]:
    """Evidence, approximation gap, effective sample size, Pareto k."""
    return [_evidence(evaluation), _gap(evaluation), _sample_size(evaluation), _tail(evaluation)]


def _evidence(evaluation: Evaluation) -> Diagnostic:
    estimate = evaluation.log_ml_pooled
    level = LOG_ML_ERROR.level(estimate.standard_error)
    if evaluation.tail.verdict == "unreliable":
        level, words = "poor", "the weights have a heavy tail: neither the value nor its error can be trusted"
    else:
        words = {
            "good": "precise enough to compare models by",
            "fair": "precise enough where models differ by several nats",
            "poor": "too uncertain to compare models by: evaluate with more draws",
        }[level]
    return Diagnostic(
        key="log_ml",
        label="Marginal log-likelihood",
        value=estimate.value,
        text=f"{estimate.value:.3f} ± {estimate.standard_error:.3f}",
        level=level,
        verdict=words,
        definition="natural logarithm of the probability of the data under the model, averaged over all trees and "
        "branch lengths by their prior; estimated by importance sampling from all draws, with its standard error. "
        f"Good up to an error of {LOG_ML_ERROR.good:g}, fair up to {LOG_ML_ERROR.fair:g}",
    )


def _gap(evaluation: Evaluation) -> Diagnostic:
    gap = evaluation.log_ml_pooled.value - evaluation.elbo.value
    level = GAP.level(gap)
    words = {
        "good": "the approximation is close to the posterior",
        "fair": "a visible gap, which the importance weights correct",
        "poor": "the approximation is far from the posterior: train longer, or with more components or a flow",
    }[level]
    return Diagnostic(
        key="elbo_gap",
        label="Approximation gap",
        value=gap,
        text=f"{gap:.2f} nats",
        level=level,
        verdict=words,
        definition="marginal log-likelihood minus the ELBO: the Kullback-Leibler divergence of the approximation from "
        f"the posterior, over trees and branch lengths together. Good up to {GAP.good:g} nats, fair up to {GAP.fair:g}",
    )


def _sample_size(evaluation: Evaluation) -> Diagnostic:
    level = EFFECTIVE_DRAWS.level(evaluation.ess)
    error = 0.5 / math.sqrt(evaluation.ess)
    words = {
        "good": f"split supports are known within {error:.3f} (one standard error) or better",
        "fair": f"split supports are known within {error:.2f}: evaluate with more draws for finer ones",
        "poor": f"split supports are uncertain by up to {error:.2f}: train longer or draw more",
    }[level]
    return Diagnostic(
        key="ess",
        label="Effective sample size",
        value=evaluation.ess,
        text=f"{evaluation.ess:,.0f} of {evaluation.n_samples:,} draws",
        level=level,
        verdict=words,
        definition="number of independent posterior trees that would be as informative as the weighted draws (Kish: "
        f"squared sum of the weights over the sum of their squares). {EFFECTIVE_DRAWS.words}",
    )


def _tail(evaluation: Evaluation) -> Diagnostic:
    tail = evaluation.tail
    levels: dict[str, Level] = {"good": "good", "ok": "fair", "unreliable": "poor"}
    return Diagnostic(
        key="pareto_k",
        label="Pareto k of the weights",
        value=tail.k,
        text=f"{tail.k:.2f}",
        level=levels[tail.verdict],
        verdict=tail.describe().split("): ", 1)[1],
        definition="shape of the tail of the importance weights (Vehtari et al. 2024): below 0.5 they have a finite "
        f"variance (good); up to {tail.threshold:.2f} the estimates can be used (fair); above, a few draws dominate "
        "and no error can be trusted",
    )


def topology_diagnostics(probabilities: np.ndarray, counts: np.ndarray, ess: float) -> list[Diagnostic]:
    """Entropy and size of the topology posterior, and what the draws have missed of it.

    Arguments:
        probabilities: (T,) weighted frequencies of the distinct topologies.
        counts: (T,) how many draws each had.
        ess: effective sample size of the draws.
    """
    h = entropy(probabilities)
    size = math.exp(h)
    credible = credible_size(probabilities, 0.95)
    best = float(probabilities.max())
    if size < 3:
        words = "concentrated: one or a few topologies hold the posterior"
    elif size < ess / 20:
        words = "spread over many topologies, each seen often enough for its probability to mean something"
    else:
        words = "flat: probabilities of single topologies are noise here, use split supports"
    unseen = float(probabilities[counts == 1].sum())
    level = UNSEEN_TOPOLOGIES.level(unseen)
    seen_words = {
        "good": "the draws have seen nearly all topologies that the mixture gives weight",
        "fair": "rare topologies are missing from the tables; split supports are not affected much",
        "poor": "most topologies were drawn once or never: rely on split supports only",
    }[level]
    return [
        Diagnostic(
            key="topology_entropy",
            label="Topology posterior",
            value=h,
            text=f"entropy {h:.2f} nats; {size:,.1f} effective topologies, {credible:,} hold 95%, the best {best:.3f}",
            level="info",
            verdict=words,
            definition="entropy -sum p log p of the weighted topology frequencies, its exponential (the number of "
            "equally probable topologies with that entropy), how many of the most probable make up 95%",
        ),
        Diagnostic(
            key="unseen_topologies",
            label="Topologies not yet drawn",
            value=unseen,
            text=share_text(unseen, "about "),
            level=level,
            verdict=seen_words,
            definition="weight of the topologies that were drawn once only, which estimates the weight of those that "
            f"were not drawn at all (Good and Turing). {UNSEEN_TOPOLOGIES.words}",
        ),
    ]
