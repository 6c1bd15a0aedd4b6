import csv

import numpy as np
import pytest

from tests.posterior.examples import made_up_draws
from vbpi_mix.errors import InputError
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.posterior.export.tables import write_parameters, write_splits, write_topologies
from vbpi_mix.posterior.parameter_summary import summarise_parameters
from vbpi_mix.posterior.summaries import summarise_splits, summarise_topologies


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_splits(tmp_path):
    splits = summarise_splits(made_up_draws(n_taxa=7, taxa=("a", "b c", "d,e", "it's", "f_g", "h", "i")))
    write_splits(splits, tmp_path / "splits.tsv")
    table = rows(tmp_path / "splits.tsv")
    assert list(table[0]) == ["probability", "standard_error", "mean_length", "length_sd", "taxa"]
    assert len(table) == splits.n_splits
    for i, row in enumerate(table):
        assert float(row["probability"]) == pytest.approx(splits.frequency[i], rel=1e-5)
        assert float(row["standard_error"]) == pytest.approx(splits.standard_error[i], rel=1e-5)
        assert float(row["mean_length"]) == pytest.approx(splits.mean_length[i], rel=1e-5)
        assert float(row["length_sd"]) == pytest.approx(splits.length_sd[i], rel=1e-5)
        names = next(csv.reader([row["taxa"]], quotechar="'", doublequote=True))
        # underscores may be quoted too: a bare one means a space in NEXUS
        assert tuple(names) == splits.members(i)


def test_topologies(tmp_path):
    draws = made_up_draws(n_topologies=6)
    topologies = summarise_topologies(draws)
    write_topologies(topologies, tmp_path / "topologies.tsv")
    table = rows(tmp_path / "topologies.tsv")
    assert list(table[0]) == ["rank", "probability", "standard_error", "cumulative", "newick"]
    assert [int(row["rank"]) for row in table] == list(range(1, topologies.n_topologies + 1))
    assert float(table[-1]["cumulative"]) == pytest.approx(1)
    for i, row in enumerate(table):
        topology, lengths = parse_newick(row["newick"], draws.taxa)
        np.testing.assert_array_equal(topology.children, topologies.topologies.children[i])
        np.testing.assert_allclose(lengths, topologies.mean_lengths[i], rtol=1e-5)
        assert float(row["probability"]) == pytest.approx(topologies.probability[i], rel=1e-5)


def test_parameters(tmp_path):
    parameters = summarise_parameters(made_up_draws(parameters=("r(A<->C)", "alpha{2}")))
    write_parameters(parameters, tmp_path / "parameters.tsv")
    table = rows(tmp_path / "parameters.tsv")
    assert [row["name"] for row in table] == ["TL", "r(A<->C)", "alpha{2}"]
    for i, row in enumerate(table):
        numbers = {name: float(x) for name, x in row.items() if name != "name"}
        assert numbers == pytest.approx(parameters.row(i), rel=1e-5)


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        write_splits(summarise_splits(made_up_draws(5)), tmp_path / "missing" / "splits.tsv")
