import pytest

from vbpi_mix.analysis.export_formats import FORMATS, choose_formats
from vbpi_mix.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "weighted", "message"),
    [
        (["tree"], False, "did you mean 'trees'"),
        (["log,tracer"], False, "unknown format 'tracer'"),
        ([""], False, "unknown format ''"),
        (["newick"], True, "holds no weights"),
    ],
)
def test_formats_that_cannot_be(words, weighted, message):
    with pytest.raises(ConfigError, match=message):
        choose_formats(words, weighted=weighted)


def test_choice_of_formats():
    assert choose_formats([], weighted=False) == tuple(name for name in FORMATS if name != "netcdf")
    assert choose_formats(["all"], weighted=False) == tuple(FORMATS)
    assert choose_formats(["log", "trees,log"], weighted=False) == ("trees", "log")
    assert "mrbayes" not in choose_formats(["all"], weighted=True)
