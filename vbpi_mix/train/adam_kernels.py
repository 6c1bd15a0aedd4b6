"""Compiled update of the touched rows of a table."""

import math

import numpy as np

from vbpi_mix.compiled import kernel

N_TAILS = 256  # idle steps whose displacement counts: what remains is below (0.9 / sqrt(0.999))^256 = 2e-12 of it

TINY = 1e-16  # gradients below move nothing: epsilon is a hundred million times larger


@kernel(inner=True)
def idle_displacement(last: int, beta1: float, beta2: float) -> float:
    """The limit of many idle steps after step `last`, of the sum in `idle_displacements`."""
    ratio = beta1 / math.sqrt(beta2)
    power, power1, power2 = 1.0, beta1**last, beta2**last
    total = 0.0
    for _ in range(N_TAILS):
        power, power1, power2 = power * ratio, power1 * beta1, power2 * beta2
        total += power * math.sqrt(1.0 - power2) / (1.0 - power1)
        if power < 1e-10:
            break
    return total


@kernel()
def idle_displacements(step: int, beta1: float, beta2: float, tails: np.ndarray) -> None:
    """Distance that momentum moves a row over n idle steps that end before `step`, in units of rate * mean /
    sqrt(square).

        tails[n] = sum_{i=1..n} (beta1 / sqrt(beta2))^i sqrt(1 - beta2^(s+i)) / (1 - beta1^(s+i)),   s = step - 1 - n,

    with mean and square those of step s. `tails` (N_TAILS,): for n up to N_TAILS - 1, by the recursion from n - 1
    to n, which puts one more step before the others.
    """
    ratio = beta1 / math.sqrt(beta2)
    tails[0] = 0.0
    for n in range(1, len(tails)):
        first = step - n  # s + 1
        if first < 2:  # no row was touched before step 1
            tails[n] = 0.0
            continue
        correction = math.sqrt(1.0 - beta2**first) / (1.0 - beta1**first)
        tails[n] = ratio * (correction + tails[n - 1])


@kernel(fastmath=True)
def update_rows(
    rows: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    last: np.ndarray,
    gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    step: int,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    tails: np.ndarray,
) -> None:
    """One step of Adam on the touched rows; all of their idle steps are made up for first.

    Arguments:
        rows: (R, W) the table.
        mean: (R, W) first moments.
        square: (R, W) second moments.
        last: (R,) step of each row's last update, 0 for none; set to `step`.
        gradient: `RowGradient.arrays`.
        step: this step, counted from 1.
        rate: learning rate.
        beta1: decay of the first moments.
        beta2: decay of the second moments.
        epsilon: added to their square roots.
        tails: see `idle_displacements`.
    """
    values, _, touched, count = gradient
    width = rows.shape[1]
    # numbers in the precision of the table, so that single precision stays vectorised as such
    c = np.empty(9, dtype=rows.dtype)
    c[0], c[1], c[2], c[3] = beta1, 1.0 - beta1, beta2, 1.0 - beta2
    c[4] = rate / (1.0 - beta1**step)
    c[5] = 1.0 / math.sqrt(1.0 - beta2**step)
    c[6] = epsilon
    c[7], c[8] = TINY, 0.0
    b1, a1, b2, a2, scale, root, eps, tiny, zero = c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8]
    for i in range(count[0]):
        row = touched[i]
        p, m, v, g = rows[row], mean[row], square[row], values[i]
        idle = step - 1 - last[row]
        if last[row] > 0 and idle > 0:
            c[7] = beta1**idle
            c[8] = beta2**idle
            c[0] = rate * (tails[idle] if idle < len(tails) else idle_displacement(int(last[row]), beta1, beta2))
            c[6] = epsilon * math.sqrt(1.0 - beta2 ** last[row])
            fade1, fade2, far, small = c[7], c[8], c[0], c[6]
            for j in range(width):
                p[j] -= far * m[j] / (np.sqrt(v[j]) + small)
                m[j] *= fade1
                v[j] *= fade2
        last[row] = step
        for j in range(width):
            gradient_j = g[j] if abs(g[j]) > tiny else zero  # denormal moments would cost a hundred times more
            m[j] = b1 * m[j] + a1 * gradient_j
            v[j] = b2 * v[j] + a2 * gradient_j * gradient_j
            p[j] -= scale * m[j] / (np.sqrt(v[j]) * root + eps)
