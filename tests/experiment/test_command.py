"""The command in a report gives the settings of its fit again."""

import shlex
from dataclasses import fields

import pytest
import typer

from vbpi_mix.cli import fit
from vbpi_mix.cli.main import app
from vbpi_mix.experiment import FitConfig, make_config
from vbpi_mix.experiment.command import WITHOUT_OPTION, command_of

SETTINGS = {field.name: field.type for field in fields(FitConfig) if field.name not in WITHOUT_OPTION}
COMMAND = typer.main.get_command(app).commands["fit"]
# of every setting a value that no recipe gives
OTHER = {
    "alignment": "a b.fasta", "trees": ("one.t", "two.t"), "burn_in": 0.25, "bootstrap": "iqtree",
    "bootstrap_replicates": 17, "keep_candidates": True, "model": "GTR+I+G4{0.5}", "partitions": "parts.nex",
    "codon_positions": True, "data_type": "dna",
    "priors": ("shape=gamma(2,3)", "ratio=beta(2,2)"), "branch_prior": "gammadir(1,0.1,1,1)", "tie_parameters": True,
    "constraints": ("((a,b),c,d);", "not ((a,c),b,d);"),
    "components": 7, "sampled": 3, "estimator": "s2s", "particles": 20, "tying": "topology", "features": "split",
    "flow": "realnvp", "flow_layers": 4, "flow_hidden": 32, "flow_per_component": True, "recipe": "paper",
    "gradient": "path", "stop": "plateau", "iterations": 12_345, "annealing_iterations": 67, "rate_topology": 0.5,
    "rate_base": 0.25, "rate_flow": 0.125, "rate_parameters": 0.75, "refresh_every": 500, "learn_weights": True,
    "seed": 9, "start": "sample", "finish": "anneal",
}  # fmt: skip


def parsed(command: str) -> FitConfig:
    program, name, *words = shlex.split(command)
    assert (program, name) == ("vbpi-mix", "fit")
    arguments = COMMAND.make_context("fit", words).params
    return make_config(alignment=arguments["alignment"], **fit.given_settings(arguments))


def test_every_setting_has_another_value():
    assert OTHER.keys() == SETTINGS.keys()


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"alignment"}))
def test_the_command_gives_a_setting_again(name):
    needed = {"estimator": {"components": 2, "sampled": 2}, "flow_layers": {"flow": "planar"}}.get(name, {})
    needed = {"flow": "realnvp"} if name in ("flow_hidden", "flow_per_component") else needed
    config = make_config(alignment="x.fasta", **needed, **{name: OTHER[name]})
    assert parsed(command_of(config, "RUN")) == config


@pytest.mark.parametrize("keep", [True, False, None])
@pytest.mark.parametrize("trees", [("one.t",), None])
def test_candidates_that_are_kept_or_not(keep, trees):
    config = make_config(alignment="x.fasta", trees=trees, keep_candidates=keep)
    assert parsed(command_of(config, "RUN")) == config


def test_the_command_gives_all_settings_at_once():
    config = make_config(**OTHER)
    assert parsed(command_of(config, "RUN")) == config


@pytest.mark.parametrize("kind", ["default", "paper"])
def test_a_recipe_needs_no_more_than_its_name(kind):
    config = make_config(alignment="x.fasta", recipe=kind)
    assert len(shlex.split(command_of(config, "RUN"))) == (7 if kind == "default" else 9)
    assert parsed(command_of(config, "RUN")) == config


def test_the_command_repeats_priors():
    config = make_config(alignment="a.fasta", model="HKY+G4", priors=("shape=gamma(2,3)", "ratio=beta(2,2)"))
    words = command_of(config, "run")
    assert "--prior 'shape=gamma(2,3)' --prior 'ratio=beta(2,2)'" in words
    assert "--priors" not in words


def test_the_command_says_what_the_recipe_does_not():
    plain = make_config(alignment="a b.fasta")
    assert command_of(plain, "run") == "vbpi-mix fit 'a b.fasta' -o run --seed 1"
    other = make_config(
        alignment="a.fasta", recipe="paper", trees=("x.t", "y.t"), burn_in=0.25, components=1, estimator="a2a",
        model="K80{2.0}", iterations=100, seed=7,
    )  # fmt: skip
    words = command_of(other, "run")
    for part in ("--trees x.t --trees y.t", "--recipe paper", "--burn-in 0.25", "--components 1", "--estimator a2a",
                 "--model 'K80{2.0}'", "--iterations 100", "--seed 7"):  # fmt: skip
        assert part in words, part
    assert "--sampled" not in words
