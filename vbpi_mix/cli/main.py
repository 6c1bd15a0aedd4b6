"""The `vbpi-mix` program: commands, and errors as one line with exit status 2."""

import sys

import click
import typer

from vbpi_mix._version import __version__
from vbpi_mix.cli import data, evaluate, fit, likelihood, sample
from vbpi_mix.errors import VBPIError

app = typer.Typer(
    name="vbpi-mix",
    help="Variational Bayesian phylogenetic inference with mixtures of subsplit Bayesian networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    del version


app.command(name="fit", epilog=fit.EXAMPLE)(fit.fit)
app.command(name="evaluate", epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command(name="sample", epilog=sample.EXAMPLE)(sample.sample)
app.command(name="likelihood", epilog=likelihood.EXAMPLE)(likelihood.likelihood)
app.add_typer(data.app, name="data")


def main() -> None:
    """Run the program; a `VBPIError` or a wrong option becomes one `error:` line on stderr, exit status 2."""
    command = typer.main.get_command(app)
    try:
        status = command.main(standalone_mode=False)
    except VBPIError as error:
        _fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        sys.exit(2)
    except click.ClickException as error:
        where = f"{error.ctx.command_path}: " if isinstance(error, click.UsageError) and error.ctx else ""
        _fail(f"{where}{error.format_message()}")
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> None:
    click.echo("error: " + " ".join(message.split()), err=True)
    sys.exit(2)
