"""A fit in one call, for use from Python."""

from pathlib import Path
from typing import Any

from vbpi_mix.analysis.summary import summarise
from vbpi_mix.experiment.build import load_alignment
from vbpi_mix.experiment.candidates import load_candidates, make_sources
from vbpi_mix.experiment.deadlines import Deadlines
from vbpi_mix.experiment.fit import fit_alignment, fit_folder
from vbpi_mix.experiment.recipes import make_config
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.run import Run
from vbpi_mix.io.datasets import resolve


def fit(
    alignment: str | Path,
    *,
    output: str | Path | None = None,
    max_seconds: float | None = None,
    outgroup: str | None = None,
    device: str = "cpu",
    reporter: Reporter | None = None,
    **settings: Any,
) -> Run:
    """Fit a mixture to an alignment, as `vbpi-mix fit` does.

    Arguments:
        alignment: Alignment file, or the name of a data set.
        output: Folder for the run with its posterior and report; without one the run stays in memory.
        max_seconds: Time allowed to the whole call; each stage gets a share. Needs `output`.
        outgroup: Taxon at whose branch pictures are rooted; the midpoint if not given.
        device: What trains: "cpu", "cuda", or "auto" for a GPU if there is one and a step is large enough for it.
        reporter: Told about progress; nobody if not given.
        **settings: Settings of the fit by the names of `FitConfig`: model, components, trees, seed and others.

    Returns:
        The run. `run.evaluate()` estimates the marginal likelihood, `run.sample(1000)` draws posterior trees.

    Raises:
        VBPIError: A file that cannot be read, a setting that cannot work, or a folder that holds a run already.

    Examples:
        >>> import vbpi_mix as vm
        >>> run = vm.fit("primates", model="JC69", bootstrap_replicates=4, iterations=20, components=1, particles=2)
        >>> run
        Run of primates.nex: 12 taxa, model JC69, 1 component, 20 iterations, in memory
        >>> run.sample(100)
        PosteriorDraws: 100 trees of 12 taxa
    """
    reporter = reporter or Silent()
    config = make_config(alignment=str(resolve(alignment)), **settings)
    if output is None:
        for source in make_sources(config):
            source.check()
        data = load_alignment(config, reporter)
        return fit_alignment(data, load_candidates(config, data, reporter), config, device=device, reporter=reporter)
    deadlines = Deadlines.from_now(max_seconds)
    run, _ = fit_folder(config, Path(output), deadlines=deadlines, device=device, reporter=reporter)
    summarise(run, reporter=reporter, until=deadlines.until("evaluation"), outgroup=outgroup)
    return run


def load(path: str | Path) -> Run:
    """Open the folder of a run that `fit` or `vbpi-mix fit` wrote.

    Arguments:
        path: The folder.

    Raises:
        ConfigError, CheckpointError: Not the folder of a run, or damaged.

    Examples:
        >>> import vbpi_mix as vm
        >>> vm.load("primates_run")
        Run of primates.nex: 12 taxa, model JC69, 1 component, 20 iterations, in primates_run
    """
    return Run.load(path)
