"""Files of interrupted annealing: what is there is not computed again, what belongs to other annealing is not used."""

import numpy as np
import pytest

from tests.anneal.examples import small_model
from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.sampler import Chains, SamplerSettings
from vbpi_mix.anneal.smc import Annealed, Passage
from vbpi_mix.experiment.kept_annealing import KeptAnnealing
from vbpi_mix.io.kept_results import KeptResults
from vbpi_mix.phylo import all_topologies, random_topologies, stack

SETTINGS = SamplerSettings(n_chains=4)


@pytest.fixture
def kept(tmp_path):
    def open_again(identity="a"):
        return KeptAnnealing(
            groups=KeptResults(tmp_path / "groups", identity),
            rounds=tmp_path / "rounds.npz",
            other_rounds=tmp_path / "other_rounds.npz",
            identity=identity,
        )

    return open_again


def group(seed):
    generator = np.random.default_rng(seed)
    return Annealed(
        particles=Particles(
            topologies=stack(list(random_topologies(3, 5, generator))),
            log_lengths=generator.normal(size=(3, 7)),
            coordinates=generator.normal(size=(3, 2)),
            log_likelihood=generator.normal(size=3),
        ),
        log_ml=float(generator.normal()),
        log_allowed=float(generator.normal()),
        betas=(0.1, 0.4, 1.0),
        n_ancestors=2,
        tuned=generator.normal(size=(3, 1)),
        passage=way(generator),
    )


def way(generator):
    return Passage(gains=generator.normal(size=(3, 3)), log_weights=generator.normal(size=(3, 3)))


def chains_at_their_start():
    starts = Particles(
        topologies=all_topologies(5)[:4],
        log_lengths=np.full((4, 7), -2.5),
        coordinates=np.zeros((4, 0)),
        log_likelihood=np.zeros(4),
    )
    return Chains(Walker(small_model()), starts, seed=np.random.SeedSequence(1), settings=SETTINGS, climb=False)


def assert_same(one, other):
    for name in ("log_ml", "log_allowed", "betas", "n_ancestors"):
        assert getattr(one, name) == getattr(other, name)
    np.testing.assert_array_equal(one.tuned, other.tuned)
    for name in ("gains", "log_weights"):
        np.testing.assert_array_equal(getattr(one.passage, name), getattr(other.passage, name))
    np.testing.assert_array_equal(one.particles.topologies.children, other.particles.topologies.children)
    for name in ("log_lengths", "coordinates", "log_likelihood"):
        np.testing.assert_array_equal(getattr(one.particles, name), getattr(other.particles, name))


def test_a_finished_group_is_read_and_not_computed_again(kept):
    before = kept()
    for number in (0, 1):
        assert_same(before.group(number, lambda number=number: group(number)), group(number))
    after = kept()
    for number in (1, 0):
        assert_same(after.group(number, lambda: pytest.fail("computed again")), group(number))
    assert_same(after.group(2, lambda: group(2)), group(2))


def test_a_way_back_is_read_for_the_same_beginning_alone(kept):
    begun, other = group(0).particles, group(1).particles
    made = way(np.random.default_rng(5))
    kept().way_back(0, begun, lambda: made)
    found = kept().way_back(0, begun, lambda: pytest.fail("computed again"))
    np.testing.assert_array_equal(found.gains, made.gains)
    np.testing.assert_array_equal(found.log_weights, made.log_weights)
    another = way(np.random.default_rng(6))
    for number, start in ((1, begun), (0, other)):
        np.testing.assert_array_equal(kept().way_back(number, start, lambda: another).gains, another.gains)


def test_chains_go_on_where_they_were_saved(kept):
    chains = chains_at_their_start()
    save = kept().go_on(chains, kept().rounds)
    chains.n_rounds += 7  # what rounds do
    chains.particles.log_lengths[:] += 0.1
    save(now=True)
    again = chains_at_their_start()
    kept().go_on(again, kept().rounds)
    assert again.n_rounds == 7
    np.testing.assert_array_equal(again.particles.log_lengths, chains.particles.log_lengths)


@pytest.mark.parametrize(("identity", "shift"), [("b", 0.0), ("a", -0.5)])
def test_chains_of_other_groups_or_from_other_particles_are_removed(kept, identity, shift):
    kept().go_on(chains_at_their_start(), kept().rounds)(now=True)
    assert kept().rounds.is_file()
    other = chains_at_their_start()
    other.particles.log_lengths[:] += shift
    before = other.particles.log_lengths.copy()
    kept(identity).go_on(other, kept().rounds)
    assert not kept().rounds.exists()
    np.testing.assert_array_equal(other.particles.log_lengths, before)


def test_nothing_is_left_once_annealing_is_finished(kept, tmp_path):
    annealing = kept()
    annealing.group(0, lambda: group(0))
    for path in (annealing.rounds, annealing.other_rounds):
        annealing.go_on(chains_at_their_start(), path)(now=True)
    assert len(list(tmp_path.iterdir())) == 3
    annealing.clear()
    annealing.clear()  # nothing there is no error
    assert not list(tmp_path.iterdir())
