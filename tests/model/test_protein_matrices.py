import hashlib

import numpy as np
import pytest
import torch

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.io.datasets import data_folder
from vbpi_mix.model import PhyloModel, protein_matrices, substitution_model
from vbpi_mix.model.protein_matrices import PROTEIN_MATRICES, protein_matrix
from vbpi_mix.phylo import DNA, PROTEIN, SitePatterns


@pytest.mark.parametrize("name", PROTEIN_MATRICES)
def test_matrices_are_reversible_models(name):
    exchanged, frequencies = protein_matrix(name)
    assert exchanged.shape == (190,)
    assert (exchanged >= 0).all()
    assert frequencies.sum() == pytest.approx(1, abs=1e-15)
    every = SitePatterns(state_sets=np.full((4, 1), 1, dtype=np.uint32), weights=np.ones(1), data_type=PROTEIN)
    model = substitution_model(name, every)
    p = model.transition_matrices(torch.tensor([[0.01, 3.0]], dtype=torch.float64))[0, :, 0]
    torch.testing.assert_close(p.sum(dim=2), torch.ones(2, 20, dtype=torch.float64), rtol=1e-12, atol=0)
    flow = torch.from_numpy(frequencies)[:, None] * p[1]
    torch.testing.assert_close(flow, flow.T, rtol=0, atol=1e-15)
    # one expected substitution per unit of length, up to the second order
    stay = float((torch.from_numpy(frequencies) * p[0].diagonal()).sum())
    assert 1 - stay == pytest.approx(0.01, rel=0.05)


def test_the_file_is_the_one_that_was_checked(monkeypatch, tmp_path):
    content = (data_folder() / "protein_matrices.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest() == protein_matrices._SHA256
    # Le and Gascuel 2008: the largest exchangeability of LG, isoleucine and valine
    order = {state: i for i, state in enumerate(PROTEIN.states)}
    table = np.zeros((20, 20))
    table[np.triu_indices(20, 1)] = protein_matrix("LG")[0]
    assert table[order["I"], order["V"]] == table.max() == 10.649107
    (tmp_path / "protein_matrices.txt").write_bytes(content.replace(b"0.425093", b"0.425094"))
    monkeypatch.setattr(protein_matrices, "data_folder", lambda: tmp_path)
    protein_matrices._matrices.cache_clear()
    with pytest.raises(InputError, match="SHA-256"):
        protein_matrix("LG")
    protein_matrices._matrices.cache_clear()


def test_models_of_other_data_are_refused():
    dna = SitePatterns(state_sets=np.array([[1], [2], [4], [8]], dtype=np.uint8), weights=np.ones(1), data_type=DNA)
    for text in ("LG+G4", "MK"):
        with pytest.raises(ConfigError, match="choose a model of nucleotides"):
            PhyloModel(dna, 4, substitution_model=text)
