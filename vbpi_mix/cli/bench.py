"""`vbpi-mix bench`: the benchmarks of the paper, one module per command."""

import typer

from vbpi_mix.cli import bench_images, bench_render, bench_table3, bench_toy

app = typer.Typer(help="Benchmarks that regenerate the paper's tables and figures.", no_args_is_help=True)
app.command(name="toy", epilog=bench_toy.EXAMPLE)(bench_toy.toy)
app.command(name="table3", epilog=bench_table3.EXAMPLE)(bench_table3.table3)
for _name, _command in (
    ("mnist", bench_images.mnist),
    ("fashion", bench_images.fashion),
    ("cifar10", bench_images.cifar10),
):
    app.command(name=_name, epilog=bench_images.EXAMPLE.format(name=_name))(_command)
app.command(name="render", epilog=bench_render.EXAMPLE)(bench_render.render)
