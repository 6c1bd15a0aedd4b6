import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.parameter_tables import read_parameters


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Gen\tTL\tkappa\n0\t7\t2\n1\t7\n", "line 3: expected 3 numbers, .* 2"),
        ("Gen\tTL\tkappa\n0\tnan\t2\n", "line 2: 'nan' .*'TL'"),
        ("Gen\tTL\tkappa\n0\t1\tinf\n", "'inf' in the column 'kappa'"),
        ("Gen\tTL\tkappa\n0\t1\t1e999\n", "'1e999'"),
        ("Gen\tTL\tkappa\n0\t1\t1_0\n", "'1_0'"),
        ("Gen\tTL\tTL\n0\t1\t2\n", "two columns are named 'TL'"),
    ],
)
def test_tables_of_numbers(tmp_path, text, message):
    (tmp_path / "x.p").write_text(text)
    with pytest.raises(InputError, match=message):
        read_parameters([tmp_path / "x.p"])
