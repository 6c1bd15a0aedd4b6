"""Numbers of a comparison of small tree files, worked out by hand."""

import math

import numpy as np
import pytest

from tests.analysis.test_posteriors import AB, AC, TAXA, write
from vbpi_mix.analysis.compare import compare
from vbpi_mix.analysis.posteriors import posterior_of_files
from vbpi_mix.errors import InputError

BD = "((B:1,D:1):1,C:1,(A:1,E:1):1);"


def sides(tmp_path):
    """Probabilities 3/4 and 1/4 of two trees against 1/2, 1/4 and 1/4 of three; lengths doubled there."""
    doubled = [text.replace(":1", ":2") for text in (AB, AB, AC, BD)]
    first = posterior_of_files([write(tmp_path / "first", AB, AB, AB, AC)], TAXA)
    return first, posterior_of_files([write(tmp_path / "one", *doubled), write(tmp_path / "two", *doubled)], TAXA)


def test_topologies_and_splits(tmp_path):
    found = compare(*sides(tmp_path))
    numbers = found.numbers()
    assert numbers["tv_topologies"] == pytest.approx(0.25)
    assert numbers["unseen_mass"] == pytest.approx(0.25)
    # AB 3/4 and 1/2, AC twice 1/4, DE 1 and 3/4, BD and AE 0 and 1/4
    differences = np.array([0.25, 0.0, 0.25, 0.25, 0.25])
    assert numbers["asdsf"] == pytest.approx(differences.mean() / math.sqrt(2))
    assert numbers["max_split_difference"] == pytest.approx(0.25)
    assert numbers["reference_asdsf"] == 0.0
    assert "log_ml_difference" not in numbers
    assert found.topologies_of_q is None


def test_lengths_of_common_splits(tmp_path):
    assert compare(*sides(tmp_path)).numbers()["length_distance"] == pytest.approx(1.0)


def test_a_posterior_is_no_distance_from_itself(tmp_path):
    first, _ = sides(tmp_path)
    numbers = compare(first, first).numbers()
    for name in ("asdsf", "kl_topologies", "tv_topologies", "unseen_mass", "length_distance"):
        assert numbers[name] == pytest.approx(0.0, abs=1e-12), name


def test_a_stepping_stone_needs_a_marginal_likelihood(tmp_path):
    first, reference = sides(tmp_path)
    with pytest.raises(InputError, match="first has no marginal"):
        compare(first, reference, stepping_stone=(-10.0, 0.1))


def test_every_number_is_defined(tmp_path):
    content = compare(*sides(tmp_path)).to_dict()
    assert content["definitions"].keys() <= content.keys()
    assert (content["first"]["trees"], content["reference"]["trees"]) == (4, 8)
