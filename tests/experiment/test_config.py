import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.experiment import RECIPES, FitConfig, load_config, make_config
from vbpi_mix.experiment.build import check


def test_recipes():
    paper = make_config(alignment="x.fasta", recipe="paper")
    assert (paper.iterations, paper.annealing_iterations, paper.decay_every) == (400_000, 100_000, 20_000)
    assert paper.rate_topology == paper.rate_base == paper.rate_flow == 0.001
    assert paper.particles == 10
    assert paper.model == "JC69"
    default = make_config(alignment="x.fasta")
    assert (default.components, default.sampled, default.estimator) == (4, 2, "s2a")
    assert default.model == FitConfig.model == "GTR+G4"
    assert default.decay_every == default.iterations // 20
    assert set(RECIPES) == {"paper", "default"}


@pytest.mark.parametrize(
    ("given", "sampled"),
    [
        ({"components": 1}, 1),
        ({"components": 5, "estimator": "a2a"}, 5),
        ({"components": 5}, 2),
        ({"components": 5, "sampled": 3, "estimator": "s2s"}, 3),
    ],
)
def test_sampled_follows_the_mixture(given, sampled):
    assert make_config(alignment="x", **given).sampled == sampled


def test_configurations_survive_their_file(tmp_path):
    config = make_config(alignment="a 'b' \"c\".nex", trees=("one", "two words"), seed=9, branch_prior_rate=3)
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())
    assert load_config(path) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alignment = 'x'\nnonsense = 1\n", "unknown setting 'nonsense'"),
        ("alignment = 3\n", "'alignment' must be str"),
        ("alignment = 'x'\niterations = 'many'\n", "'iterations' must be int"),
        ("alignment = 'x'\n", "incomplete"),
        ("alignment = \n", "not a TOML file"),
        ("recipe = 'fast'\n", "recipe 'fast': .*default, paper"),
    ],
)
def test_wrong_files_are_refused_with_the_reason(tmp_path, text, message):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_wrong_words_are_refused():
    with pytest.raises(ConfigError, match="recipe"):
        make_config(alignment="x", recipe="quick")
    with pytest.raises(ConfigError, match="unknown setting"):
        make_config(alignment="x", colour="red")
    with pytest.raises(ConfigError, match="bootstrap"):
        make_config(alignment="x", bootstrap="raxml")


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({}, (0, 0)),
        ({"flow": "skew"}, (0, 0)),
        ({"flow": "planar"}, (16, 0)),
        ({"flow": "realnvp"}, (10, 100)),
        ({"flow": "realnvp", "flow_layers": 4, "flow_hidden": 32}, (4, 32)),
        ({"flow": "planar", "flow_layers": 2, "recipe": "paper"}, (2, 0)),
    ],
)
def test_sizes_of_a_flow_are_the_published_ones_unless_given(given, sizes, tmp_path):
    config = make_config(alignment="x", **given)
    assert (config.flow_layers, config.flow_hidden, config.flow_per_component) == (*sizes, False)
    check(config)
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())
    assert load_config(path) == config


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"flow": "glow"}, "flow 'glow': .*identity, skew, planar, realnvp"),
        ({"flow_layers": 3}, "flow_layers is 3, .*'skew'"),
        ({"flow": "planar", "flow_hidden": 8}, "flow_hidden is 8, .*'planar'"),
        ({"flow": "realnvp", "flow_layers": 0}, "flow_layers .* 1, not 0"),
        ({"flow": "realnvp", "flow_hidden": 1.5}, "'flow_hidden' must be int"),
        ({"flow": "skew", "flow_per_component": True}, "flow_per_component .*'realnvp', not 'skew'"),
        ({"flow": "realnvp", "flow_per_component": 1}, "'flow_per_component' must be bool"),
    ],
)
def test_flows_that_do_not_exist_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        check(make_config(alignment="x", **given))
