"""`vbpi-mix bench mnist`, `fashion`, `cifar10`: the image models of the paper."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import output_path

if TYPE_CHECKING:
    from vbpi_mix.replication.images.sets import ImageSet

EXAMPLE = "Example: vbpi-mix bench {name} --scale small --rows s2a:1:20 --rows s2a:1:20:published -o {name}"

Output = Annotated[
    Path,
    typer.Option("--output", "-o", parser=output_path, metavar="PATH", help="Folder of the results; made if need be."),
]
Rows = Annotated[
    list[str] | None,
    typer.Option(
        help="ESTIMATOR:S:A, such as s2a:1:20; :published for the decoder with batch normalisation, :semvae for "
        "separate encoders (not cifar10); several separated by ;. May be repeated. A choice for the scale if not given."
    ),
]
ScaleWord = Annotated[
    str, typer.Option(help="small: images and networks that two cores finish in under an hour; published: the paper's.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the IDX or CIFAR-10 files, or a CSV file of one set; what `vbpi-mix data fetch` fetched or the "
        "system installed if not given."
    ),
]
Epochs = Annotated[int | None, typer.Option(help="In place of the scale's; the warm-up keeps its share.")]
Seeds = Annotated[int, typer.Option(help="How many seeds.")]
FirstSeed = Annotated[int, typer.Option(help="The first of the seeds.")]
Train = Annotated[int | None, typer.Option(help="Training images, in place of the scale's.")]
Test = Annotated[int | None, typer.Option(help="Test images, in place of the scale's.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of torch.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def _command(name: "ImageSet", text: str) -> Callable[..., int]:
    """The command that trains models of one set of images, with its help."""

    def bench(
        output: Output,
        rows: Rows = None,
        scale: ScaleWord = "small",
        data: Data = None,
        epochs: Epochs = None,
        seeds: Seeds = 1,
        first_seed: FirstSeed = 1,
        train: Train = None,
        test: Test = None,
        threads: Threads = 1,
        quiet: Quiet = False,
    ) -> int:
        from vbpi_mix.replication.images.config import make_images_config
        from vbpi_mix.replication.images.run import run_images

        config = make_images_config(
            name,
            scale=scale,
            rows=rows or (),
            epochs=epochs,
            n_seeds=seeds,
            first_seed=first_seed,
            n_train=train,
            n_test=test,
        )
        with ConsoleReporter(quiet=quiet) as reporter:
            outcome = run_images(config, output, source=data, n_threads=threads, reporter=reporter)
            if outcome.signal_number is not None:
                reporter.warning(f"stopped; {len(outcome.records)} models have their record: the same command goes on")
                return 128 + outcome.signal_number
        typer.echo(f"{len(outcome.records)} models have their record: {config.title}")
        typer.echo(f"tables and pictures: vbpi-mix bench render {shlex.quote(str(output))}")
        return 0

    bench.__doc__ = text
    return bench


mnist = _command(
    "mnist",
    """Train MISVAE and SEMVAE on MNIST and keep a record of each: test likelihoods, Frechet distance, times.

    The folder gets a JSON file per model in models/; `vbpi-mix bench render` makes tables and pictures of them. Models
    that are there already are kept. A call that was stopped goes on where it was.
    """,
)
fashion = _command("fashion-mnist", "Train MISVAE and SEMVAE on FashionMNIST; as `vbpi-mix bench mnist`.")
cifar10 = _command("cifar10", "Train MISVAE on CIFAR-10, its encoder from scratch; as `vbpi-mix bench mnist`.")
