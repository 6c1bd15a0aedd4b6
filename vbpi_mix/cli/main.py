"""The `vbpi-mix` program: commands, and errors as one line with exit status 2."""

import errno
import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, TextIO, cast

import typer

from vbpi_mix._version import __version__
from vbpi_mix.cli import (
    anneal,
    ask,
    batch,
    bench,
    compare,
    data,
    diagnose,
    evaluate,
    export,
    fit,
    likelihood,
    loci,
    models,
    report,
    sample,
    support,
)
from vbpi_mix.cli.console import printable
from vbpi_mix.cli.fit_help import GroupedCommand
from vbpi_mix.cli.signals import answer_signals, exit_status, unanswered
from vbpi_mix.errors import InputWarning, VBPIError

_FAULTS_OF_THE_SYSTEM = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP,
)  # fmt: skip
_OBJECTS_BETWEEN_COLLECTIONS = 20_000

# Typer ships its own copy of click, whose exceptions it exports in part
_UsageError, _ClickException = cast(tuple[type[Exception], ...], typer.BadParameter.__mro__[1:3])

app = typer.Typer(
    name="vbpi-mix",
    help="Variational Bayesian phylogenetic inference with mixtures of subsplit Bayesian networks.",
    invoke_without_command=True,
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
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    del version
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(name="fit", epilog=fit.EXAMPLE, cls=GroupedCommand)(fit.fit)
app.command(name="anneal", epilog=anneal.EXAMPLE)(anneal.anneal)
app.command(name="batch", epilog=batch.EXAMPLE)(batch.batch)
app.command(name="evaluate", epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command(name="sample", epilog=sample.EXAMPLE)(sample.sample)
app.command(name="ask", epilog=ask.EXAMPLE)(ask.ask)
app.command(name="compare", epilog=compare.EXAMPLE)(compare.compare)
app.command(name="diagnose", epilog=diagnose.EXAMPLE)(diagnose.diagnose)
app.command(name="export", epilog=export.EXAMPLE)(export.export)
app.command(name="report", epilog=report.EXAMPLE)(report.report)
app.command(name="likelihood", epilog=likelihood.EXAMPLE)(likelihood.likelihood)
app.command(name="models", epilog=models.EXAMPLE)(models.models)
app.command(name="support", epilog=support.EXAMPLE)(support.support)
app.add_typer(loci.app, name="loci")
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the program; a `VBPIError` or a wrong option becomes one `error:` line on stderr, exit status 2.

    Modules make some three hundred thousand objects while they are imported, all of which last. Looking for garbage
    among them again and again, and once more at the end, would take a third of the time of a command without work.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        _run()
    finally:
        gc.freeze()


def _run() -> None:
    command = typer.main.get_command(app)
    answer_signals()
    try:
        with _notices_as_lines():
            status = command.main(standalone_mode=False)
    except VBPIError as error:
        _fail(str(error))
    except _ClickException as error:
        context = getattr(error, "ctx", None)
        where = f"{context.command_path}: " if isinstance(error, _UsageError) and context else ""
        _fail(f"{where}{error.format_message()}")  # type: ignore[attr-defined]
    except (typer.Abort, KeyboardInterrupt) as error:
        typer.echo("interrupted", err=True)
        sys.exit(exit_status(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # of standard output, of a library on a full disk, of a path that cannot be
        if error.errno not in _FAULTS_OF_THE_SYSTEM:
            raise
        _fail(f"cannot use {error.filename or 'a file or stream'}: {error.strerror}")
    else:
        number = unanswered()
        if number is not None:
            typer.echo("interrupted", err=True)
            sys.exit(128 + number)
        sys.exit(status if isinstance(status, int) else 0)


@contextmanager
def _notices_as_lines() -> Iterator[None]:
    """Print each `InputWarning` once, as one `warning:` line on stderr."""
    printed: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, InputWarning):
            usual(message, category, filename, lineno, file, line)
        elif str(message) not in printed:
            printed.add(str(message))
            with suppress(OSError, ValueError):
                print("warning: " + printable(str(message)), file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        usual = warnings.showwarning
        warnings.simplefilter("always", InputWarning)
        warnings.showwarning = show
        yield


def _fail(message: str) -> NoReturn:
    with suppress(OSError, ValueError):
        typer.echo("error: " + printable(message), err=True)
    sys.exit(2)
