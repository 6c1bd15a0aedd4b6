import numpy as np
import pytest

from vbpi_mix.analysis.posteriors import posterior_of_files, taxa_of_files
from vbpi_mix.errors import InputError

TAXA = ("A", "B", "C", "D", "E")
AB, AC = "((A:1,B:1):1,C:1,(D:1,E:1):1);", "((A:1,C:1):1,B:1,(D:1,E:1):1);"
TABLE = "taxa\tfrequency\nA,B\t0.75\nD,E\t1.0\n"


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_files_are_pooled_and_kept_apart_as_well(tmp_path):
    one, two = write(tmp_path / "one", AB, AB, AB), write(tmp_path / "two", AC)
    found = posterior_of_files([one, two], TAXA)
    assert (found.name, found.kind, found.n_trees) == ("one and 1 more", "trees", 4)
    assert sorted(found.topologies.probabilities()) == [0.25, 0.75]
    assert sorted(found.splits.frequency) == [0.25, 0.75, 1.0]
    assert [sorted(part.frequency) for part in found.parts] == [[1.0, 1.0], [1.0, 1.0]]
    np.testing.assert_array_equal(found.lengths.branch_lengths, np.ones((4, 7)))
    assert posterior_of_files([one], TAXA).parts == ()
    assert (found.run, found.log_ml, found.parameters) == (None, None, None)


def test_a_burn_in_is_left_out_of_each_file(tmp_path):
    files = [write(tmp_path / "one", AB, AB, AC, AC), write(tmp_path / "two", AB, AC)]
    found = posterior_of_files(files, TAXA, burn_in=0.5)
    assert (found.n_trees, found.topologies.n_trees) == (3, 1)


def test_tables_of_splits_stand_alone(tmp_path):
    trees, table = write(tmp_path / "trees", AB), write(tmp_path / "splits.tsv", TABLE)
    with pytest.raises(InputError, match=r"splits\.tsv is a table"):
        posterior_of_files([trees, table], TAXA)
    with pytest.raises(InputError, match="no burn-in"):
        posterior_of_files([table], TAXA, burn_in=0.1)
    found = posterior_of_files([table], TAXA)
    assert (found.kind, found.n_trees, found.topologies) == ("splits", None, None)
    assert sorted(found.splits.frequency) == [0.75, 1.0]


def test_taxa_are_those_of_the_first_file_of_trees(tmp_path):
    trees, table = write(tmp_path / "trees", AB), write(tmp_path / "splits.tsv", TABLE)
    assert set(taxa_of_files([table, trees])) == set(TAXA)
    with pytest.raises(InputError, match="two tables"):
        taxa_of_files([table, table])
