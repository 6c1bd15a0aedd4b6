"""`vbpi-mix bench`: the benchmarks of the paper, one module per command."""

import typer

from vbpi_mix.cli import bench_toy

app = typer.Typer(help="Benchmarks that regenerate the paper's tables and figures.", no_args_is_help=True)
app.command(name="toy", epilog=bench_toy.EXAMPLE)(bench_toy.toy)
