import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.replication.toy.config import PUBLISHED_ROWS, make_toy_config


def test_the_papers_settings_are_the_default():
    config = make_toy_config()
    assert (config.iterations, config.learning_rate, config.n_draws, config.seeds) == (50_000, 0.001, 10, (1, 2, 3))
    assert (config.n_points, config.dimension, config.energy) == (5, 20, "sequential")
    assert [row.word for row in config.rows] == ["a2a:5:5", "s2a:2:5", "s2s:2:5", "s2s:5:20", "s2a:1:20"]
    assert config.title == "50,000 iterations at rate 0.001, 3 seeds"


def test_what_is_not_the_papers_says_so():
    assert make_toy_config(scale="small").title.startswith("not the paper's length: 3,000")
    assert make_toy_config(iterations=49_999).title.startswith("not the paper's length")
    assert make_toy_config(scale="small").rows == PUBLISHED_ROWS


def test_a_model_depends_on_everything_but_the_other_rows():
    config = make_toy_config(rows=["s2a:2:5"], n_seeds=1)
    other = make_toy_config(n_seeds=3)
    assert config.of_model(config.rows[0], 1) == other.of_model(other.rows[1], 1)
    assert config.of_model(config.rows[0], 1)["iterations"] == 50_000


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"rows": ["s2a:5"]}, "not ESTIMATOR:S:A"),
        ({"rows": ["s2a:x:5"]}, "not ESTIMATOR:S:A"),
        ({"rows": ["s2a:-1:5"]}, "not ESTIMATOR:S:A"),
        ({"rows": ["b2b:1:5"]}, "a2a, s2a, s2s"),
        ({"rows": ["s2a:6:5"]}, "cannot sample 6 of 5"),
        ({"rows": ["s2a:0:5"]}, "cannot sample 0 of 5"),
        ({"rows": ["a2a:2:5"]}, "all 5 components"),
        ({"rows": ["s2a:1:2", "S2A:1:2"]}, "s2a:1:2 is given twice"),
        ({"scale": "large"}, "paper, small"),
        ({"iterations": 0}, "iterations"),
        ({"n_seeds": 0}, "seeds"),
        ({"energy": "dark"}, "sequential, together"),
        ({"latents": "two"}, "one, per-point"),
    ],
)
def test_mistakes(arguments, expected):
    with pytest.raises(ConfigError, match=expected):
        make_toy_config(**arguments)
