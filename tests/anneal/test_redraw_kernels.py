"""Blocks drawn anew leave their target invariant, and take chains from mode to mode."""

import numpy as np
import pytest
import torch

from tests.anneal.examples import GENERAL, TAXA, TYPICAL, exact_posterior, no_data, small_model, walk_chains
from tests.anneal.test_search import begin, evolved
from tests.phylo.test_constraint_counts import clade, constraint, names
from tests.statistics import assert_mean
from vbpi_mix.anneal.chains import Walker, WalkSettings
from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.sampler import Chains, SamplerSettings
from vbpi_mix.anneal.tree_reference import TreeReference, load_redraws, redraws_arrays
from vbpi_mix.anneal.trees import split_hashes
from vbpi_mix.model import parse_branch_prior
from vbpi_mix.phylo import SitePatterns, all_topologies, from_neighbours, random_topologies, stack
from vbpi_mix.phylo.constraints import Constraints

FEW_WALKS = {"rounds": 0.02, "n_rounds": 400, "n_chains": 40}  # nearly all that changes is redrawn
ALONE = WalkSettings(regrafts=0.0, passes=2)


def some_trees(n_taxa, n_trees=30, seed=5):
    generator = np.random.default_rng(seed)
    return Particles(
        topologies=stack(list(random_topologies(n_trees, n_taxa, generator))),
        log_lengths=np.log(generator.exponential(0.15, (n_trees, 2 * n_taxa - 3))),
        coordinates=np.zeros((n_trees, 0)),
        log_likelihood=np.zeros(n_trees),
    )


def few_patterns(n_taxa, n_sites=20):
    sets = evolved(ladder(range(n_taxa)), n_sites, np.random.default_rng(2))
    return SitePatterns(state_sets=sets, weights=np.ones(n_sites))


def ladder(order):
    """The tree of taxa one after the other."""
    order = list(order)
    n = len(order)
    neighbours = [[] for _ in range(2 * n - 2)]
    for i, taxon in enumerate(order):
        inner = n + min(max(i - 1, 0), n - 3)
        neighbours[taxon].append(inner)
        neighbours[inner].append(taxon)
    for inner in range(n, 2 * n - 3):
        neighbours[inner].append(inner + 1)
        neighbours[inner + 1].append(inner)
    return from_neighbours(neighbours, n)[0]


def two_modes():
    """A model, and two trees: for half the sites a clade of two is at one end of a ladder, for half at the other."""
    one, other = ladder([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), ladder([2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    generator = np.random.default_rng(4)
    sets = np.concatenate([evolved(one, 200, generator), evolved(other, 200, generator)], axis=1)
    return small_model(SitePatterns(state_sets=sets, weights=np.ones(400))), one, other


def some_redraws(n_taxa, **of_trees):
    """Unequal probabilities of splits, and lengths unlike those of any target."""
    trees = some_trees(n_taxa, **of_trees)
    return TreeReference(trees, np.random.default_rng(1).random(len(trees))).redraws


@pytest.mark.parametrize("prior", ["exponential(10)", "gammadir(2,3,1.5,0.5)"])
def test_without_data_they_sample_the_prior(prior):
    model = small_model(no_data(), branch_prior=parse_branch_prior(prior, 10.0))
    frequencies, lengths, _ = walk_chains(model, ALONE, redraws=some_redraws(TAXA), **FEW_WALKS)
    assert_mean(frequencies, 1 / 15)
    if prior.startswith("exponential"):
        assert_mean(lengths, 0.1)
    else:
        tip = 2 / 3 * 1.5 / (TAXA * 1.5 + 2 * 0.75)
        assert_mean(lengths, [tip] * TAXA + [tip / 2] * 2)


@pytest.mark.parametrize("text", ["JC69", GENERAL])
def test_with_data_they_sample_the_posterior(text):
    model = small_model(model=text)
    log_ml, means = exact_posterior(model)
    share = np.exp(log_ml - np.logaddexp.reduce(log_ml))
    frequencies, lengths, _ = walk_chains(model, ALONE, redraws=some_redraws(TAXA), **FEW_WALKS)
    assert_mean(frequencies, share, slack=0.004)
    assert_mean(lengths, share @ means, slack=0.002)


def test_they_keep_constraints():
    allowed = Constraints(taxa=names(5), each=(constraint(5, clade(5, 0, 1), negative=True),))
    model = small_model(no_data(), constraints=allowed)
    frequencies, _, particles = walk_chains(model, ALONE, redraws=some_redraws(TAXA), **FEW_WALKS)
    assert model.allows(particles.topologies).all()
    assert_mean(frequencies, model.allows(all_topologies(TAXA)) / 12)  # three of the fifteen have the split


@pytest.mark.parametrize("n_taxa", [4, 6, 40])
def test_the_likelihood_in_the_end_is_that_of_the_tree(n_taxa):
    model, trees = small_model(few_patterns(n_taxa)), some_trees(n_taxa, n_trees=8)
    generators = [np.random.default_rng(i) for i in range(len(trees))]
    walker = Walker(model, settings=WalkSettings(passes=5))
    redraws = some_redraws(n_taxa, n_trees=300 if n_taxa < 10 else 8)
    for _ in range(5):
        trees = walker.move(trees, generators, rounds=0.05, typical=TYPICAL, redraws=redraws)
    assert walker.counts[-1] > 0
    expected = model.log_likelihood(torch.from_numpy(np.exp(trees.log_lengths)), trees.topologies).numpy()
    np.testing.assert_allclose(trees.log_likelihood, expected, rtol=1e-11)
    assert trees.topologies.children.max() <= 2 * n_taxa - 4


def test_chains_change_modes_between_which_walks_cannot_pass():
    model, one, other = two_modes()
    start, generators = begin(stack([one, other]))
    walker = Walker(model, start.topologies)
    seen = walks(walker, start, generators, 60)
    own = [np.unique(split_hashes(join_particles([p.take([c]) for p in seen]).topologies)) for c in range(2)]
    lacks = [np.setdiff1d(own[1], own[0]), np.setdiff1d(own[0], own[1])]
    assert min(map(len, lacks)) >= 3  # no chain came where the other was
    sample = join_particles(seen)
    redraws = TreeReference(sample, np.ones(len(sample))).redraws
    later = walks(walker, seen[-1], generators, 400, redraws=redraws)
    away = [
        np.isin(split_hashes(join_particles([p.take([c]) for p in later]).topologies), lacks[0]).any(axis=1)
        for c in range(2)
    ]
    assert sum(np.count_nonzero(np.diff(a)) for a in away) >= 4


def test_chains_that_are_shown_a_mode_come_to_it_and_begin_a_new_sample():
    model, one, other = two_modes()
    start, _ = begin(stack([one, one]))
    walker = Walker(model, start.topologies)
    settings = SamplerSettings(n_chains=2, adapting=20, fewest=40)
    chains = Chains(walker, start, seed=np.random.SeedSequence(1), settings=settings, climb=False)
    chains.run(60)
    before = split_hashes(chains.sample().particles.topologies)
    shown = join_particles(walks(walker, *begin(stack([other, other])), 60)[30:])
    new = np.setdiff1d(split_hashes(shown.topologies), before)
    assert len(new) >= 3
    chains.show(shown)
    assert (chains.n_shown, chains.next_look) == (1, 100)
    chains.run(500)
    sample = chains.sample()
    assert len(sample.particles) == 2 * 420  # the first quarter of 560 rounds is more than the 60 before
    assert np.isin(split_hashes(sample.particles.topologies), new).any(axis=1).mean() > 0.01


def walks(walker, particles, generators, n_rounds, **of_move):
    """Particles after each of so many rounds."""
    kept = []
    for _ in range(n_rounds):
        particles = walker.move(particles, generators, rounds=1.0, typical=TYPICAL, **of_move)
        kept.append(particles)
    return kept


def test_what_a_file_keeps_is_what_was_learnt():
    redraws = some_redraws(9)
    again = load_redraws({"other": np.zeros(3)} | redraws_arrays(redraws))
    assert again is not None
    for name in ("first", "number", "cumulative", "parts", "sizes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(redraws, name))
    for a, b in zip(again.reference, redraws.reference, strict=True):
        np.testing.assert_array_equal(a, b)
    assert load_redraws({}) is None


def test_probabilities_of_the_splits_of_a_clade_add_up_to_one():
    redraws = some_redraws(12, n_trees=200)
    known = np.flatnonzero(redraws.number)
    last = redraws.first[known] + redraws.number[known] - 1
    np.testing.assert_allclose(redraws.cumulative[last], 1.0)
    assert (
        np.diff(redraws.cumulative)[~np.isin(np.arange(1, len(redraws.cumulative)), redraws.first[known])] >= 0
    ).all()
    assert (redraws.sizes >= 1).all()
