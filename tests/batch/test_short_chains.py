"""Short chains: how long they run, and how often they try what is rarely accepted."""

from dataclasses import replace

import numpy as np

from benchmarks.calibration.simulate_model import simulate_model
from vbpi_mix.anneal.chains import Walker
from vbpi_mix.batch.short_chains import ShortSettings, moves_by_acceptance, moves_by_mixing, sample_locus
from vbpi_mix.model import JC69, PhyloModel
from vbpi_mix.phylo import random_topologies, site_patterns


def simulated(n_sites, mean_length, seed=3):
    generator = np.random.default_rng(seed)
    topology = next(iter(random_topologies(1, 8, generator)))
    lengths = generator.exponential(mean_length, size=13) + 0.2 * mean_length
    return simulate_model(JC69(), topology, lengths, n_sites, generator)


def test_the_parameters_of_a_locus_mix():
    alignment = simulated(200, 0.1)
    model = PhyloModel(site_patterns(alignment), 8, substitution_model="HKY+G4")
    sample = sample_locus(alignment, model, seed=1)
    assert sample.converged
    assert sample.convergence.r_hat <= ShortSettings.r_hat
    assert sample.convergence.effective_size > 20


def test_a_flat_posterior_ends_at_the_agreement_that_its_trees_have_by_chance():
    alignment = simulated(12, 0.5)
    model = PhyloModel(site_patterns(alignment), 8)
    rounds = {
        trees: sample_locus(
            alignment, model, seed=1, settings=ShortSettings(asdsf=0.0, largest=1.0, effective_trees=trees, most=300)
        ).n_rounds
        for trees in (50.0, 1500.0)
    }
    assert rounds[50.0] < rounds[1500.0]


def test_moves_that_are_rarely_accepted_are_tried_less_often():
    settings = ShortSettings()
    walker = Walker(PhyloModel(site_patterns(simulated(12, 0.5)), 8))
    walker.counts[:5] = 1300, 1300, 500, 1000, 0  # at edges, lengths and arrangements changed, regrafts tried, made
    found = moves_by_acceptance(walker, settings)
    assert found.rearrangements == walker.settings.rearrangements
    assert found.regrafts_beside == settings.fewest_tried * walker.settings.regrafts_beside
    walker.counts[2], walker.counts[4] = 5, 1000
    found = moves_by_acceptance(walker, settings)
    assert found.rearrangements < walker.settings.rearrangements
    assert found.regrafts_beside == walker.settings.regrafts_beside


def test_splits_that_come_and_go_slowly_have_more_regrafts_tried():
    settings = ShortSettings()
    walker = Walker(PhyloModel(site_patterns(simulated(12, 0.5)), 8))
    usual = walker.settings
    for times in (np.zeros(0), np.full(3, settings.slow)):  # no split in question, or soon decided
        assert moves_by_mixing(walker, times, settings) == usual
    walker.settings = replace(usual, rearrangements=0.3, regrafts_beside=0.01)  # by acceptance
    shares = []
    for _ in range(4):
        walker.settings = moves_by_mixing(walker, np.array([1.0, 3 * settings.slow]), settings)
        shares.append(walker.settings.regrafts_beside)
    assert walker.settings.rearrangements == usual.rearrangements
    assert walker.settings.far == settings.far > usual.far
    assert shares == [min(1.0, usual.regrafts_beside * settings.more**n) for n in (1, 2, 3, 4)]
