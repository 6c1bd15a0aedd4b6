"""Trees of chains as a posterior; whole rounds are in `test_finish`."""

from dataclasses import replace

import numpy as np

from tests.anneal.examples import small_model
from tests.anneal.test_result import posterior
from tests.anneal.test_sampler import begin
from vbpi_mix.anneal.result import FROM_CANDIDATES, FROM_EXCURSIONS, FROM_MIXTURE
from vbpi_mix.anneal.sampler import SamplerSettings
from vbpi_mix.experiment.rounds import chains_as_posterior, of_chains


def test_trees_of_excursions_are_the_last_ones_and_can_be_left_out():
    chains = begin(small_model(), SamplerSettings(n_chains=2, fewest=10))
    chains.run(20)
    sample = replace(chains.sample(), n_elsewhere=3)
    found = chains_as_posterior(sample)
    assert found.sides.tolist() == [FROM_CANDIDATES] * (len(sample.chains) - 3) + [FROM_EXCURSIONS] * 3
    np.testing.assert_array_equal(found.log_joint, sample.log_joint)
    left = of_chains(found)
    np.testing.assert_array_equal(left.log_joint, sample.log_joint[:-3])
    assert set(left.sides) == {FROM_CANDIDATES}
    everything = chains_as_posterior(replace(sample, n_elsewhere=0), FROM_MIXTURE)
    assert set(everything.sides) == {FROM_MIXTURE}
    assert of_chains(posterior([1, 2], [0, 0])).log_joint.tolist() == [101, 102]
