import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.parameter_tables import parameter_files, read_parameters

TABLE = """[ID: 0123456789]
Gen\tLnL\tLnPr\tTL\tkappa\tpi(A)
0\t-7.1e+03\t1.0\t2.000000e+00\t1.0\t0.25
100\t-6.5e+03\t1.0\t1.500000e+00\t2.0\t0.30
200\t-6.4e+03\t1.0\t1.250000e+00\t3.0\t0.31
300\t-6.4e+03\t1.0\t1.125000e+00\t4.0\t0.32
"""


def test_columns_without_scores_and_burn_in(tmp_path):
    (tmp_path / "a.p").write_text(TABLE)
    names, values = read_parameters([tmp_path / "a.p"], burn_in=0.25)
    assert names == ("TL", "kappa", "pi(A)")
    np.testing.assert_allclose(values, [[1.5, 2.0, 0.30], [1.25, 3.0, 0.31], [1.125, 4.0, 0.32]])


def test_newer_versions_of_mrbayes_name_the_scores_otherwise(tmp_path):
    (tmp_path / "a.p").write_text(TABLE.replace("LnL", "lnLike").replace("LnPr", "lnPrior"))
    assert read_parameters([tmp_path / "a.p"])[0] == ("TL", "kappa", "pi(A)")


def test_files_are_pooled_by_the_columns_that_all_have(tmp_path):
    (tmp_path / "a.p").write_text(TABLE)
    (tmp_path / "b.p").write_text("Gen\tLnL\tkappa\talpha\tTL{all}\n0\t-1\t9.0\t0.5\t7.0\n")
    names, values = read_parameters([tmp_path / "a.p", tmp_path / "b.p"])
    assert names == ("TL", "kappa")
    assert values.shape == (5, 2)
    assert values[-1].tolist() == [7.0, 9.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tree\tx\n1\t2\n", "begins with Gen"),
        ("Gen\tTL\n", "begins with Gen"),
        ("Gen\tTL\n1\t2\n2\t3\t4\n", "line 3: expected 2 numbers"),
        ("Gen\tTL\n1\tx\n", "line 2"),
        ("Gen\tLnL\n1\t2\n", "no parameters"),
    ],
)
def test_files_that_are_none(tmp_path, content, message):
    (tmp_path / "a.p").write_text(content)
    with pytest.raises(InputError, match=message):
        read_parameters([tmp_path / "a.p"])


def test_tables_are_found_beside_all_trees_or_not_at_all(tmp_path):
    trees = [tmp_path / "x.run1.t", tmp_path / "x.run2.t"]
    (tmp_path / "x.run1.p").write_text(TABLE)
    assert parameter_files(trees) == []
    (tmp_path / "x.run2.p").write_text(TABLE)
    assert parameter_files(trees) == [tmp_path / "x.run1.p", tmp_path / "x.run2.p"]
    assert parameter_files([*trees, tmp_path / "y.trees"]) == []
    assert parameter_files([]) == []
