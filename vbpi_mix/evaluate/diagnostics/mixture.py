"""Diagnostics of the mixture, its support and its training."""

import numpy as np

from vbpi_mix.evaluate.diagnostics.components import ComponentDiversity
from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic, share_text
from vbpi_mix.evaluate.diagnostics.neighbours import NeighbourMass
from vbpi_mix.evaluate.diagnostics.thresholds import BOUND_RISE, DEAD_SHARE, LEFT_BY_THE_SEARCH, UNSUPPORTED_NEIGHBOURS


def component_diagnostics(shares: np.ndarray, diversity: ComponentDiversity) -> list[Diagnostic]:
    """Shares of the posterior by component, and how different the components are."""
    n = len(shares)
    if n == 1:
        return []
    dead = [a + 1 for a in range(n) if shares[a] < DEAD_SHARE / n]
    listed = ", ".join(f"{share:.1%}" for share in shares.tolist())
    words = (
        "every component takes part"
        if not dead
        else f"component{'s' if len(dead) > 1 else ''} {', '.join(map(str, dead))} died: fewer would do, or train anew"
    )
    used = diversity.effective_number
    return [
        Diagnostic(
            key="components_died",
            label="Shares of the components",
            value=float(len(dead)),
            text=listed,
            level="fair" if dead else "good",
            verdict=words,
            definition="importance weight of the draws of each component: how much of the posterior it accounts for. "
            f"A component with less than {DEAD_SHARE:.0%} of the equal share 1/{n} counts as died",
        ),
        Diagnostic(
            key="effective_components",
            label="Different components",
            value=used,
            text=f"{used:.2f} of {n}",
            level="info",
            verdict="the components overlap almost entirely: one would do nearly as well"
            if used < 1.1
            else "the components cover different parts of the posterior",
            definition="exponential of the generalised Jensen-Shannon divergence between the components, from 1 (all "
            f"alike) to {n} (no overlap)",
        ),
    ]


def growth_diagnostic(missing: float, *, well_sampled: bool = False, complete: bool = True) -> Diagnostic:
    """The missing mass that the search for candidate topologies estimated.

    Arguments:
        missing: Share of the posterior.
        well_sampled: Whether the list is a sample of a flat posterior, large enough for frequencies; it need not be
            complete then.
        complete: Whether the search ended by its own rules, not because time was up.
    """
    level = LEFT_BY_THE_SEARCH.level(missing)
    if level == "poor" and well_sampled:
        level = "fair"
    if level == "good" and not complete:
        level = "fair"
    words = {
        "good": "the last round of the search found next to nothing new",
        "fair": "the search was still finding topologies when it ended; supports of rare splits may be low",
        "poor": "the list of candidates is far from complete: give more candidate trees",
    }[level]
    return Diagnostic(
        key="missing_mass",
        label="Missed by the candidate search",
        value=missing,
        text=share_text(missing, "about ") if np.isfinite(missing) else "the search was ended before it could tell",
        level=level,
        verdict=words,
        definition="share of the posterior on topologies that only the last round of the search found, an estimate of "
        f"what lay outside the list before it. {LEFT_BY_THE_SEARCH.words}",
    )


def neighbour_diagnostic(neighbours: NeighbourMass) -> Diagnostic:
    """Mass of neighbours outside the support."""
    level = UNSUPPORTED_NEIGHBOURS.level(neighbours.mass)
    words = {
        "good": "next to the best trees there is little that cannot be drawn",
        "fair": "some trees next to the best cannot be drawn; supports of their splits are too low",
        "poor": "trees next to the best cannot be drawn: give more candidate trees, or use the default recipe",
    }[level]
    return Diagnostic(
        key="neighbour_mass",
        label="Outside the support",
        value=neighbours.mass,
        text=share_text(neighbours.mass, "at least "),
        level=level,
        verdict=words,
        definition="posterior share of those nearest-neighbour interchanges of the "
        f"{neighbours.n_centres} most probable topologies ({neighbours.centre_mass:.0%} of the posterior) that the "
        f"support cannot represent, here {neighbours.n_outside:,} topologies, with branch lengths integrated out by "
        f"Laplace's method; a lower bound of what is missing. {UNSUPPORTED_NEIGHBOURS.words}",
    )


def training_diagnostic(iterations: np.ndarray, bounds: np.ndarray) -> Diagnostic | None:
    """Whether the training bound was still rising; None for fewer than ten records.

    Arguments:
        iterations: (n,) of the training records.
        bounds: (n,) mean bound of each record, in nats.
    """
    fifth = len(bounds) // 5
    if fifth < 2:
        return None
    before, last = bounds[-2 * fifth : -fifth], bounds[-fifth:]
    rise = float(last.mean() - before.mean())
    error = float(np.sqrt(before.var(ddof=1) / fifth + last.var(ddof=1) / fifth))
    level = BOUND_RISE.level(rise - 2 * error)
    words = {
        "good": "training has settled",
        "fair": "the bound was still rising a little: more iterations would help somewhat",
        "poor": "the bound was still rising: train longer",
    }[level]
    return Diagnostic(
        key="training_rise",
        label="Training at its end",
        value=rise,
        text=f"bound rose by {rise:+.3f} ± {error:.3f} nats in the last fifth",
        level=level,
        verdict=words,
        definition=f"mean training bound over the last fifth of {int(iterations[-1]):,} iterations minus that over the "
        "fifth before, with its standard error from the spread of the records. Good if the rise exceeds two standard "
        f"errors by no more than {BOUND_RISE.good:g} nats, fair by no more than {BOUND_RISE.fair:g}",
    )
