"""A fit on images that is cut and resumed ends bit for bit where an uninterrupted one ends."""

import pytest
import torch

from vbpi_mix.estimators import Objective
from vbpi_mix.images import GROUP, MISVAE, Minibatches
from vbpi_mix.train import TrainSettings, fit

SIZES = {"side": 4, "n_latent": 3, "trunk_channels": (2, 2, 2, 2, 2), "channels": 4, "n_layers": 2}
IMAGES = torch.randint(0, 256, (14, 1, 4, 4), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def run(checkpoint, n_iterations, decoder, *, resume=False, seed=1):
    model = MISVAE(3, decoder, **SIZES, seed=seed)
    generator = torch.Generator().manual_seed(3)
    settings = TrainSettings(n_iterations=n_iterations, learning_rates={GROUP: 1e-2}, annealing_iterations=8)
    objective = Objective(estimator="s2a", n_components=3, n_sampled=1, n_particles=1, annealed="kl")
    batches = Minibatches(IMAGES, 4, seed=1, pixels="binary")
    fit(model, objective, settings, generator=generator, batches=batches, checkpoint=checkpoint, resume=resume)
    return model.state_dict()


@pytest.mark.parametrize("decoder", ["valid", "published"])
def test_resume_is_bit_identical(tmp_path, decoder):
    whole = run(tmp_path / "whole.pt", 11, decoder)
    run(tmp_path / "parts.pt", 5, decoder)
    resumed = run(tmp_path / "parts.pt", 11, decoder, resume=True, seed=9)
    assert all(torch.equal(value, whole[key]) for key, value in resumed.items())


def test_training_raises_the_bound(tmp_path):
    before, after = (run(tmp_path / f"{n}.pt", n, "valid") for n in (1, 60))
    objective = Objective(estimator="a2a", n_components=3, n_sampled=3, n_particles=20)
    bounds = []
    for state in (before, after):
        model = MISVAE(3, **SIZES)
        model.load_state_dict(state)
        x = (IMAGES > 127).float()
        bounds.append(float(objective.step(model, torch.Generator().manual_seed(4), batch=x).bound))
    assert bounds[1] > bounds[0] + 0.1
