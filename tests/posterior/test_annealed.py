import numpy as np
import pytest

from tests.anneal.examples import small_model
from vbpi_mix.anneal.convergence import Convergence
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.result import AnnealedPosterior
from vbpi_mix.phylo import random_topologies, stack
from vbpi_mix.posterior.annealed import annealed_draws, thinned


def annealed(n_trees, n_taxa):
    generator = np.random.default_rng(1)
    return AnnealedPosterior(
        particles=Particles(
            topologies=stack(list(random_topologies(n_trees, n_taxa, generator))),
            log_lengths=generator.normal(-3, 1, (n_trees, 2 * n_taxa - 3)),
            coordinates=np.zeros((n_trees, 0)),
            log_likelihood=-np.arange(n_trees, dtype=float),
        ),
        chains=np.arange(n_trees) % 4,
        sides=np.arange(n_trees) % 2,
        log_joint=np.arange(n_trees, dtype=float),
        group_log_ml=(),
        betas=(),
        n_particles=0,
        n_ancestors=(),
        convergence=Convergence(asdsf=0.0, largest=0.0, n_splits=1),
        converged=True,
    )


@pytest.mark.parametrize(("n_trees", "wanted"), [(100, 10), (100, 33), (7, 7), (7, 20)])
def test_thinned_trees_are_evenly_spaced_and_keep_what_belongs_to_them(n_trees, wanted):
    whole = annealed(n_trees, 5)
    few = thinned(whole, wanted)
    rows = few.log_joint.astype(int)
    assert len(few.particles) == len(rows) == min(n_trees, wanted)
    assert set(np.diff(rows)) <= {n_trees // len(rows), -(-n_trees // len(rows))}
    for name in ("chains", "sides"):
        np.testing.assert_array_equal(getattr(few, name), getattr(whole, name)[rows])
    np.testing.assert_array_equal(few.particles.log_likelihood, -rows)
    np.testing.assert_array_equal(few.particles.log_lengths, whole.particles.log_lengths[rows])
    np.testing.assert_array_equal(few.particles.topologies.children, whole.particles.topologies.children[rows])


def test_draws_are_equally_weighted_trees_with_lengths():
    posterior, model = annealed(30, 5), small_model()
    draws = annealed_draws(posterior, model, [f"t{i}" for i in range(5)])
    np.testing.assert_allclose(np.log(draws.branch_lengths), posterior.particles.log_lengths)
    assert draws.effective_sample_size() == pytest.approx(30)
    assert draws.weights() == pytest.approx(1 / 30)
    assert draws.parameter_names == model.parameters.names
