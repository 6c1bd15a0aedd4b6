"""Metropolis and Hastings's moves of many particles at once: interchanges, regrafts and trajectories of lengths.

Every move proposes a change of every particle, computes the density of all in one call, and accepts each by its own
ratio. Proposals look at topology, lengths and the reference density alone, never at a likelihood, so that what they
need costs little beside it.

References:
    Zanella, Informed proposals for local MCMC in discrete spaces, Journal of the American Statistical Association 115,
    2020.
    Neal, MCMC using Hamiltonian dynamics, Handbook of Markov Chain Monte Carlo, 2011.
"""

import math

import torch
from torch import Tensor

from vbpi_mix.anneal.batched.density import BatchedDensity, State
from vbpi_mix.anneal.batched.reference import BatchedReference
from vbpi_mix.anneal.batched.rules import BatchedRules
from vbpi_mix.anneal.batched.trees import Trees, below, interchange, regraft

_LEAST, _MOST = 0.02, 50.0  # weights of interchanges
_FRESH = 0.5  # share of the interchanges whose length is drawn anew
_STEP = 0.7  # of the log length of the others
_WIDEST = 3.0  # standard deviation that a log length is given in a trajectory


def move_interchange(
    state: State, density: BatchedDensity, rules: BatchedRules, generator: torch.Generator
) -> tuple[State, Tensor]:
    """Propose a nearest-neighbour interchange in every particle, with another length of its edge.

    An interchange is drawn with a weight that is the square root of the factor by which it changes the probability of
    the topology by the reference, within limits. The length is drawn anew for the clade that the edge has then, or
    moved at random.

    Returns:
        The particles, and (P,) which have been changed.
    """
    trees, rows = state.trees, state.trees.rows
    weights = interchange_weights(trees, density.reference)
    choice = torch.multinomial(weights.flatten(1), 1, generator=generator)[:, 0]
    nodes, ways = choice // 2 + trees.n_taxa, choice % 2
    changed = interchange(trees, nodes, ways)
    back = interchange_weights(changed, density.reference)
    log_ratio = _log_share(back, choice) - _log_share(weights, choice)
    old, x = state.x[rows, nodes], state.x.clone()
    normal = _normal(old.shape, old, generator)
    fresh = _uniform(old.shape, old, generator) < _FRESH
    mean, spread = _log_moments(density.reference, changed.hashes[rows, nodes])
    mean_back, spread_back = _log_moments(density.reference, trees.hashes[rows, nodes])
    new = torch.where(fresh, mean + spread * normal, old + _STEP * normal)
    of_lengths = _log_normal(old, mean_back, spread_back) - _log_normal(new, mean, spread)
    log_ratio = log_ratio + torch.where(fresh, of_lengths, 0.0)
    x[rows, nodes] = new
    proposed = density.state(changed, x, state.coordinates)
    return _decide(state, proposed, log_ratio, rules.keep(changed), generator)


def interchange_weights(trees: Trees, reference: BatchedReference) -> Tensor:
    """(P, N-2, 2) weights of the interchanges at each internal node, see `trees.interchange`; 0 at the top node."""
    nodes = torch.arange(trees.n_taxa, trees.up.shape[1], device=trees.up.device).expand(trees.n_trees, -1)
    sibling = trees.siblings(nodes)
    first, second = trees.kids[:, trees.n_taxa :].unbind(dim=2)
    (a, n_a), (b, n_b), (c, n_c) = (
        (trees.hashes.gather(1, at), trees.sizes.gather(1, at)) for at in (sibling, first, second)
    )

    def joined(u: Tensor, n_u: Tensor, v: Tensor, n_v: Tensor, w: Tensor, n_w: Tensor) -> Tensor:
        """Log probability that u and v, and they and w, are joined."""
        return reference.log_subsplit(u, v, n_u, n_v) + reference.log_subsplit(u ^ v, w, n_u + n_v, n_w)

    now = joined(b, n_b, c, n_c, a, n_a)
    others = torch.stack([joined(a, n_a, c, n_c, b, n_b), joined(a, n_a, b, n_b, c, n_c)], dim=2)
    weights = (0.5 * (others - now[..., None])).exp().clamp(_LEAST, _MOST)
    return torch.where((nodes == trees.top[:, None])[..., None], 0.0, weights)


def move_regraft(
    state: State, density: BatchedDensity, rules: BatchedRules, generator: torch.Generator
) -> tuple[State, Tensor]:
    """Propose to take a clade of every particle to any other edge above none of its taxa, at a uniform place on it.

    Returns:
        The particles, and (P,) which have been changed.
    """
    trees, rows = state.trees, state.trees.rows
    top, every = trees.top, torch.arange(trees.up.shape[1], device=trees.up.device)
    movable = (every > 0) & (every != top[:, None])
    nodes = torch.multinomial(movable.double(), 1, generator=generator)[:, 0]
    joint, siblings = trees.up[rows, nodes], trees.siblings(nodes[:, None])[:, 0]
    # as many as in the tree that there will be: what is left without the clade has as many edges
    free = ~below(trees, nodes) & (every != joint[:, None]) & (every != siblings[:, None]) & (every > 0)
    possible = free.any(dim=1)
    free[rows, siblings] |= ~possible
    places = torch.multinomial(free.double(), 1, generator=generator)[:, 0]
    changed = regraft(trees, nodes, places)
    x = state.x.clone()
    whole = torch.logaddexp(x[rows, siblings], x[rows, joint])
    before = x[rows, siblings] + x[rows, joint] + x[rows, places]
    x[rows, siblings] = whole
    split = x[rows, places]
    share = _uniform(split.shape, split, generator).clamp(1e-12, 1.0 - 1e-12)
    x[rows, places], x[rows, joint] = split + share.log(), split + torch.log1p(-share)
    after = x[rows, siblings] + x[rows, joint] + x[rows, places]
    log_ratio = split - whole + before - after  # of lengths, and of their logarithms
    proposed = density.state(changed, x, state.coordinates)
    return _decide(state, proposed, log_ratio, possible & rules.keep(changed), generator)


def move_lengths(
    state: State, density: BatchedDensity, generator: torch.Generator, *, step: float, n_steps: int
) -> tuple[State, Tensor]:
    """Propose the end of a Hamiltonian trajectory of all log lengths of every particle.

    Momenta are scaled by the spread that the reference gives a log length: it depends on the topology, which stays.

    Arguments:
        state: particles.
        density: density to sample.
        generator: source of the draws.
        step: size of a step, in units of these spreads, ...
        n_steps: ... and how many a trajectory has. Sizes differ between particles by a factor of up to 1.25.

    Returns:
        The particles, and (P,) probabilities of acceptance.
    """
    said = density.describe(state.trees)
    spread = _spread_of_log(said.shapes)
    spread[:, 0] = 0.0
    momentum = _normal(spread.shape, spread, generator)
    size = step * (0.8 + 0.4 * _uniform((len(spread), 1), spread, generator))
    start = momentum
    _, gradient = density.with_gradient(*state[:3], said)
    at, x = state, state.x
    for _ in range(n_steps):
        momentum = momentum + 0.5 * size * spread * gradient
        x = (x + size * spread * momentum).nan_to_num()
        at, gradient = density.with_gradient(state.trees, x, state.coordinates, said)
        momentum = momentum + 0.5 * size * spread * gradient
    log_ratio = 0.5 * (start**2 - momentum**2)[:, 1:].sum(dim=1)
    probability = (at.value - state.value + log_ratio).exp().clamp(max=1.0).nan_to_num(nan=0.0)
    moved, _ = _decide(state, at, log_ratio, torch.ones_like(at.value, dtype=torch.bool), generator)
    return moved, probability


def _decide(
    state: State, proposed: State, log_ratio: Tensor, allowed: Tensor, generator: torch.Generator
) -> tuple[State, Tensor]:
    """Each particle as it is proposed or as it was, and (P,) which is changed.

    A ratio that is not a number, of two densities of zero, is no reason to move.
    """
    change = proposed.value - state.value + log_ratio
    accept = allowed & (torch.log1p(-_uniform(change.shape, change, generator)) < change)
    return select(accept, proposed, state), accept


def select(accept: Tensor, new: State, old: State) -> State:
    """Particles of one state where `accept` (P,) is true, and of the other elsewhere."""

    def chosen(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(accept.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    trees = Trees(*(chosen(a, b) for a, b in zip(new.trees, old.trees, strict=True)))
    return State(trees, *(chosen(a, b) for a, b in zip(new[1:], old[1:], strict=True)))


def _log_share(weights: Tensor, choice: Tensor) -> Tensor:
    """(P,) log probabilities of choices by weights (P, ...)."""
    flat = weights.flatten(1)
    return flat.gather(1, choice[:, None])[:, 0].log() - flat.sum(dim=1).log()


def _log_moments(reference: BatchedReference, hashes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the log length of clades' edges by the reference."""
    shapes, rates = reference.length_rows(hashes)
    return torch.digamma(shapes) - rates.log(), torch.polygamma(1, shapes).sqrt()


def _spread_of_log(shapes: Tensor) -> Tensor:
    return torch.polygamma(1, shapes).sqrt().clamp(max=_WIDEST)


def _log_normal(x: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    return -0.5 * ((x - mean) / spread) ** 2 - spread.log() - 0.5 * math.log(2 * math.pi)


def _uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64, device=like.device)


def _normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64, device=like.device)
