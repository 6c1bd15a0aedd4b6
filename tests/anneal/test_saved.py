"""Chains that were saved and restored are chains that were never interrupted."""

import numpy as np
import pytest

from tests.anneal.examples import small_model
from tests.anneal.test_sampler import begin
from vbpi_mix.anneal.run_chains import run_chains
from vbpi_mix.anneal.sampler import SamplerSettings
from vbpi_mix.anneal.saved import restore_chains, save_chains
from vbpi_mix.errors import CheckpointError, ConfigError

SETTINGS = SamplerSettings(n_chains=4, fewest=60, adapting=30, asdsf=0.1, most=150, most_kept=200, effective_size=1e9)


class KilledError(Exception):
    pass


def run(model, path=None, *, restore=False, kill_at=None):
    chains = begin(model, SETTINGS, seed=1)
    if restore:
        chains = begin(model, SETTINGS, seed=2)  # whatever it begins with is replaced
        restore_chains(chains, path, "a")

    def after_round():
        if path is not None:
            save_chains(chains, path, "a")
        if chains.n_rounds == kill_at:
            raise KilledError

    return run_chains(chains, after_round=after_round)


@pytest.mark.parametrize("name", ["JC69", "HKY"])
def test_chains_go_on_bit_for_bit(name, tmp_path):
    """KilledError while steps are tuned, before a look, at one, and after steps were tuned again."""
    model, path = small_model(model=name), tmp_path / "chains.npz"
    whole = run(model)
    for restore, kill_at in ((False, 7), (True, 59), (True, 60), (True, 100), (True, 131)):
        with pytest.raises(KilledError):
            run(model, path, restore=restore, kill_at=kill_at)
    parts = run(model, path, restore=True)
    assert parts.n_rounds == whole.n_rounds == 150
    for field in ("log_lengths", "coordinates", "log_likelihood"):
        np.testing.assert_array_equal(getattr(parts.particles, field), getattr(whole.particles, field))
    np.testing.assert_array_equal(parts.particles.topologies.children, whole.particles.topologies.children)
    np.testing.assert_array_equal(parts.log_joint, whole.log_joint)
    np.testing.assert_array_equal(parts.scaling.root, whole.scaling.root)
    assert parts.convergence == whole.convergence
    assert parts.scaling.factor == whole.scaling.factor


def test_other_or_damaged_chains_are_refused(tmp_path):
    model, path = small_model(), tmp_path / "chains.npz"
    chains = begin(model, SETTINGS)
    save_chains(chains, path, "a")
    with pytest.raises(ConfigError, match="chains of another fit"):
        restore_chains(chains, path, "b")
    with pytest.raises(CheckpointError, match="other chains"):
        restore_chains(begin(model, SamplerSettings(n_chains=2)), path, "a")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="delete it"):
        restore_chains(chains, path, "a")
