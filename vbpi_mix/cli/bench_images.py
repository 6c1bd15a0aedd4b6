"""`vbpi-mix bench mnist`, `fashion`, `cifar10`: the image models of the paper."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import Quiet, output_option

if TYPE_CHECKING:
    from vbpi_mix.replication.images.sets import ImageSet

EXAMPLE = "Example: vbpi-mix bench {name} --scale small --rows s2a:1:20 --rows s2a:1:20:published -o {name}"

Output = Annotated[
    Path,
    output_option("Folder for the results; made if need be."),
]
Rows = Annotated[
    list[str] | None,
    typer.Option(
        help="Rows as ESTIMATOR:S:A, such as s2a:1:20, separated by ;. :published behind a row: decoder with batch "
        "normalisation; :semvae: separate encoders (not cifar10). May be repeated. A choice for the scale if not given."
    ),
]
ScaleWord = Annotated[
    str, typer.Option(help="Scale: small (two cores finish in under an hour) or published (the paper's).")
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="Folder of IDX or CIFAR-10 files, or CSV file of one set. If not given, the files that `vbpi-mix data "
        "fetch` fetched or the system installed."
    ),
]
Epochs = Annotated[
    int | None, typer.Option(help="Number of epochs; that of the scale if not given. The warm-up keeps its share.")
]
Seeds = Annotated[int, typer.Option(help="Number of seeds.")]
FirstSeed = Annotated[int, typer.Option(help="First seed.")]
Train = Annotated[int | None, typer.Option(help="Number of training images; that of the scale if not given.")]
Test = Annotated[int | None, typer.Option(help="Number of test images; that of the scale if not given.")]
Threads = Annotated[int, typer.Option(min=1, help="Number of threads of torch.")]
Device = Annotated[
    str, typer.Option(help="Device that trains: cpu, cuda (an NVIDIA GPU), or auto (a GPU if there is one).")
]


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
        device: Device = "cpu",
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
            outcome = run_images(config, output, source=data, n_threads=threads, device=device, reporter=reporter)
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
