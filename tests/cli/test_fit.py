"""The options of `vbpi-mix fit` are the settings of a fit."""

import inspect
from dataclasses import fields
from typing import Literal, get_args, get_origin, get_type_hints

import typer

from tests.experiment.simulated import write_example
from vbpi_mix.cli import fit, fit_help
from vbpi_mix.cli.main import app
from vbpi_mix.experiment import FitConfig, make_config
from vbpi_mix.experiment.command import WITHOUT_OPTION

SETTINGS = {field.name: field.type for field in fields(FitConfig) if field.name not in WITHOUT_OPTION}
COMMAND = typer.main.get_command(app).commands["fit"]
OPTIONS = {parameter.name: parameter for parameter in COMMAND.params}


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
