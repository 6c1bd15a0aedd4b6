"""Evidence and posterior mean of kappa for four taxa under K80, by quasi-Monte Carlo; nothing of the package is used.

On each topology the density of log branch lengths and log kappa is integrated by importance sampling from a Student
distribution around its mode, on scrambled Sobol points. The error is that of independent scramblings.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats
from scipy.stats import qmc

_DEGREES, _WIDER = 5, 1.15
_SCRAMBLINGS, _LOG2_POINTS = 8, 12
_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class KappaPosterior:
    """Estimates and standard errors.

    Arguments:
        log_evidence, evidence_error: log p(data), topologies weighted by 1/3, kappa / (1 + kappa) uniform.
        mean_kappa, kappa_error: posterior mean.
    """

    log_evidence: float
    evidence_error: float
    mean_kappa: float
    kappa_error: float


def kappa_posterior(state_sets: np.ndarray, rate: float = 10.0) -> KappaPosterior:
    """The posterior of (4, L) state sets, one state each, with exponential branch lengths."""
    columns, counts = np.unique(np.log2(state_sets.T).astype(int), axis=0, return_counts=True)
    sums = np.zeros((_SCRAMBLINGS, 2))
    scale = None
    for partner in (1, 2, 3):
        others = [i for i in (1, 2, 3) if i != partner]
        order = [0, partner, *others]

        def density(z, order=order):
            return _log_density(z, columns[:, order], counts, rate)

        found = optimize.minimize(lambda z, f=density: -f(z[None])[0], np.r_[np.full(5, -2.0), 0.5], method="BFGS")
        mode, factor = found.x, np.linalg.cholesky(_covariance(density, found.x)) * _WIDER
        if scale is None:
            scale = density(mode[None])[0]
        for s in range(_SCRAMBLINGS):
            points = qmc.Sobol(7, seed=100 * partner + s).random_base2(_LOG2_POINTS)
            normal = stats.norm.ppf(np.clip(points[:, :6], 1e-12, 1 - 1e-12))
            spread = np.sqrt(_DEGREES / stats.chi2.ppf(np.clip(points[:, 6], 1e-12, 1 - 1e-12), _DEGREES))
            z = mode + spread[:, None] * normal @ factor.T
            log_q = stats.multivariate_t.logpdf(z, mode, factor @ factor.T, df=_DEGREES)
            w = np.exp(density(z) - log_q - scale)
            sums[s] += w.mean(), (w * np.exp(z[:, 5])).mean()
    evidence = sums[:, 0]
    means = sums[:, 1] / evidence
    root = np.sqrt(_SCRAMBLINGS)
    return KappaPosterior(
        log_evidence=float(scale + np.log(evidence.mean() / 3)),
        evidence_error=float(evidence.std(ddof=1) / evidence.mean() / root),
        mean_kappa=float(sums[:, 1].mean() / evidence.mean()),
        kappa_error=float(means.std(ddof=1) / root),
    )


def _log_density(z: np.ndarray, columns: np.ndarray, counts: np.ndarray, rate: float) -> np.ndarray:
    """(n,) log density of z (n, 6): log lengths of tips a, b, c, d of ((a,b),(c,d)) and the inner edge, log kappa."""
    out = []
    for first in range(0, len(z), _CHUNK):
        part = z[first : first + _CHUNK]
        lengths, kappa = np.exp(part[:, :5]), np.exp(part[:, 5])
        p = _transitions(lengths, kappa)  # (n, 5, 4, 4)
        total = np.zeros(len(part))
        for (a, b, c, d), count in zip(columns.tolist(), counts, strict=True):
            left = p[:, 0, :, a] * p[:, 1, :, b]
            right = p[:, 2, :, c] * p[:, 3, :, d]
            total += count * np.log(0.25 * np.einsum("ns,nst,nt->n", left, p[:, 4], right))
        prior = 5 * np.log(rate) - rate * lengths.sum(axis=1) + part[:, :5].sum(axis=1)
        share = kappa / (1 + kappa)  # uniform; its derivative in log kappa is share (1 - share)
        out.append(total + prior + np.log(share * (1 - share)))
    return np.concatenate(out)


def _transitions(lengths: np.ndarray, kappa: np.ndarray) -> np.ndarray:
    """Kimura's (1980) probabilities, states A, C, G, T, one substitution per unit of length."""
    beta = 1 / (kappa[:, None] + 2)
    one = np.exp(-4 * beta * lengths)
    two = np.exp(-2 * (kappa[:, None] + 1) * beta * lengths)
    same, transition = 0.25 + 0.25 * one + 0.5 * two, 0.25 + 0.25 * one - 0.5 * two
    transversion = 0.25 - 0.25 * one
    kind = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))  # 2: A-G or C-T
    return np.where(
        kind == 0,
        same[..., None, None],
        np.where(kind == 2, transition[..., None, None], transversion[..., None, None]),
    )


def _covariance(density, mode: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Inverse of the negative Hessian, by second differences."""
    n = len(mode)
    steps = step * np.eye(n)
    hessian = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            at = [mode + s * steps[i] + t * steps[j] for s in (1, -1) for t in (1, -1)]
            values = density(np.array(at))
            hessian[i, j] = (values[0] - values[1] - values[2] + values[3]) / (4 * step**2)
    return np.linalg.inv(-0.5 * (hessian + hessian.T))
