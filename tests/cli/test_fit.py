"""The options of `vbpi-mix fit` are the settings of a fit, and the command in a report gives these settings again."""

import inspect
import shlex
from dataclasses import fields
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import typer

from tests.experiment.simulated import write_example
from vbpi_mix.cli import fit, fit_help
from vbpi_mix.cli.main import app
from vbpi_mix.experiment import FitConfig, make_config
from vbpi_mix.experiment.command import WITHOUT_OPTION, command_of

SETTINGS = {field.name: field.type for field in fields(FitConfig) if field.name not in WITHOUT_OPTION}
COMMAND = typer.main.get_command(app).commands["fit"]
OPTIONS = {parameter.name: parameter for parameter in COMMAND.params}
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


def test_every_setting_has_an_option_of_its_type():
    arguments = inspect.signature(fit.fit).parameters
    hints = get_type_hints(fit.fit)
    for name, kind in SETTINGS.items():
        assert name in arguments, f"--{name.replace('_', '-')} is missing"
        if name in ("alignment", "trees", "priors", "partitions", "constraints"):
            continue
        wanted = str if get_origin(kind) is Literal else kind
        assert hints[name] == wanted | None, name
        assert arguments[name].default is None, f"{name}: what is not given is decided by `make_config`"


def test_every_word_that_an_option_takes_is_in_its_help():
    for name, kind in SETTINGS.items():
        if get_origin(kind) is Literal:
            for word in get_args(kind):
                assert word in OPTIONS[name].help, (name, word)


def test_the_values_below_are_complete():
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


def test_the_help_shows_groups_and_every_default(program):
    status, out, _ = program("fit", "--help")
    assert status == 0
    for group in fit_help.GROUPS:
        assert f"\n{group}:\n" in out
    grouped = [name for names in fit_help.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted({*OPTIONS, "help"} - {"alignment"})
    config = make_config(alignment="x.fasta")
    for name in SETTINGS.keys() - {"alignment", "trees", "priors", "partitions", "constraints"}:
        assert fit_help.DEFAULTS[name] == getattr(config, name), name


def test_an_outgroup_is_looked_for_before_anything_is_computed(program, tmp_path):
    alignment, _ = write_example(tmp_path)
    status, out, err = program("fit", alignment, "-o", tmp_path / "run", "--outgroup", "t9")
    assert (status, out) == (2, "")
    assert err.startswith("error: --outgroup: there is no taxon 't9'")
    assert not (tmp_path / "run").exists()


def test_codon_positions_are_three_parts_by_name(program, tmp_path):
    alignment, trees = write_example(tmp_path)
    run = tmp_path / "run"
    few = ("--iterations", 20, "--components", 1, "--particles", 2, "--finish", "importance", "-q")
    words = ("--trees", trees, "--codon-positions", "--model", "K80", "--outgroup", "t3", *few)
    status, out, err = program("fit", alignment, "-o", run, *words)
    assert status == 0, err
    for name in ("kappa{pos1}", "kappa{pos3}", "m{pos2}"):
        assert name in out
    assert "drawn from t3" in out
    assert "rooted at t3" in (run / "report.html").read_text()
    both = ("fit", alignment, "-o", tmp_path / "other", "--codon-positions", "--partitions", trees)
    assert "either --codon-positions or --partitions" in program(*both)[2]
