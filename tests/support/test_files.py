"""Support files."""

import numpy as np
import pytest

from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import TreeSample, random_topologies
from vbpi_mix.support import SavedSupport, build_support, load_support


def example():
    topologies = random_topologies(20, 9, np.random.default_rng(3))
    sample = TreeSample(taxa=("é x", *"abcdefgh"), topologies=topologies, weights=np.linspace(1, 0.1, 20))
    return SavedSupport(support=build_support(topologies), sample=sample)


def test_files_keep_everything(tmp_path):
    saved = example()
    saved.save(tmp_path / "support.npz")
    loaded = load_support(tmp_path / "support.npz")
    assert loaded.support == saved.support
    assert loaded.sample.taxa == saved.sample.taxa
    assert np.array_equal(loaded.sample.topologies.children, saved.sample.topologies.children)
    assert np.array_equal(loaded.sample.weights, saved.sample.weights)


def test_changed_files_are_refused(tmp_path):
    path = tmp_path / "support.npz"
    example().save(path)
    with np.load(path) as arrays:
        content = dict(arrays)
    content["weights"] = content["weights"][::-1]
    np.savez(path, **content)
    with pytest.raises(SupportError, match="does not match its hash"):
        load_support(path)
    del content["children"]
    np.savez(path, **content)
    with pytest.raises(SupportError, match="damaged, or not"):
        load_support(path)
    path.write_bytes(b"PK\x03\x04 something")
    with pytest.raises(SupportError, match="damaged, or not"):
        load_support(path)
    with pytest.raises(SupportError, match="not found"):
        load_support(tmp_path / "absent.npz")
