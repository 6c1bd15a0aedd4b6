import math
from dataclasses import fields, replace

import numpy as np
import pytest

from tests.anneal.test_particles import particles
from vbpi_mix.anneal.convergence import Convergence, Scalar
from vbpi_mix.anneal.result import FROM_CANDIDATES, FROM_EXCURSIONS, FROM_MIXTURE, AnnealedPosterior, load_annealed


def posterior(rows, chains, side=FROM_MIXTURE, **options):
    scalars = (Scalar(name="log joint", r_hat=1.02, effective_size=math.nan),)
    made = AnnealedPosterior(
        particles=particles(rows),
        chains=np.array(chains),
        sides=np.full(len(rows), side),
        log_joint=100.0 + np.array(rows),
        group_log_ml=(-10.0, -12.0),
        betas=(0.0, 0.25, 1.0),
        n_particles=8,
        n_ancestors=(5, 6),
        convergence=Convergence(asdsf=0.01, largest=0.1, n_splits=3, scalars=scalars),
        converged=True,
    )
    return replace(made, **options)


def test_a_file_gives_everything_back(tmp_path):
    saved = posterior([0, 3, 3, 2], [0, 0, 1, 1], bridged=True)
    saved.save(tmp_path / "annealed.npz")
    loaded = load_annealed(tmp_path / "annealed.npz")
    for field in fields(AnnealedPosterior):
        found, expected = getattr(loaded, field.name), getattr(saved, field.name)
        if field.name == "particles":
            np.testing.assert_array_equal(found.topologies.children, expected.topologies.children)
            for name in ("log_lengths", "coordinates", "log_likelihood"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        elif isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(found, expected)
        elif field.name == "convergence":
            assert repr(found) == repr(expected)  # NaN is not equal to itself
        else:
            assert found == expected, field.name


def test_the_marginal_likelihood_is_the_mean_of_the_groups():
    value, error = posterior([0], [0]).log_ml
    mean = (math.exp(-10.0) + math.exp(-12.0)) / 2
    assert value == pytest.approx(math.log(mean))
    assert error == pytest.approx(np.std(np.exp([-10.0, -12.0]), ddof=1) / math.sqrt(2) / mean)
    assert all(map(math.isnan, posterior([0], [0], group_log_ml=()).log_ml))


def test_the_marginal_likelihood_of_both_directions_is_the_mean_of_the_logarithms():
    assert posterior([0], [0], bridged=True).log_ml == pytest.approx((-11.0, 1.0))


def test_trees_of_one_posterior_and_then_of_another():
    first, second = posterior([5, 1], [0, 1], FROM_CANDIDATES), posterior([2, 4, 3], [0, 0, 1], n_particles=99)
    assert not first.both_sides
    joined = first.followed_by(second, second.chains + 2)
    assert joined.both_sides
    assert joined.chains.tolist() == [0, 1, 2, 2, 3]
    assert joined.sides.tolist() == [FROM_CANDIDATES] * 2 + [FROM_MIXTURE] * 3
    assert joined.log_joint.tolist() == [105, 101, 102, 104, 103]
    assert joined.particles.log_likelihood.tolist() == [-5, -1, -2, -4, -3]
    assert joined.n_particles == first.n_particles
    few = joined.take(np.array([4, 0]))
    assert (few.chains.tolist(), few.log_joint.tolist(), few.sides.tolist()) == ([3, 0], [103, 105], [1, 0])
    assert few.particles.log_likelihood.tolist() == [-3, -5]
    assert FROM_EXCURSIONS not in few.sides
