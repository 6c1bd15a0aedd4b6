"""Summary of a finished fit: the evaluation, the posterior folder and the report."""

from dataclasses import dataclass

from vbpi_mix.analysis.diagnose import Diagnosis, diagnose
from vbpi_mix.analysis.report import write_report
from vbpi_mix.analysis.verdict import verdict
from vbpi_mix.analysis.warnings import caution
from vbpi_mix.clock import time_is_up
from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate import Evaluation
from vbpi_mix.evaluate.diagnostics.diagnostic import worst
from vbpi_mix.experiment.folder import RunFolder, write_json
from vbpi_mix.experiment.lock import hold
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import SAMPLE_STREAM
from vbpi_mix.posterior import PosteriorSummary, write_posterior
from vbpi_mix.seeding import numpy_generator

SUMMARY_REPEATS = 10


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Summary of a finished fit: estimates, diagnostics, and the files of its posterior folder."""

    evaluation: Evaluation
    posterior: PosteriorSummary
    diagnosis: Diagnosis

    @property
    def verdict(self) -> str:
        """The verdict of the report and of `diagnose`."""
        return verdict(self.diagnosis.diagnostics)


def summarise(
    run: Run, *, reporter: Reporter | None = None, until: float | None = None, outgroup: str | None = None
) -> Summary:
    """Evaluate a run, and write `evaluation.json`, the posterior folder and the report into its folder.

    Arguments:
        run: The run.
        reporter: Told about progress.
        until: `time.perf_counter()` at which drawing ends with fewer trees.
        outgroup: Taxon at whose branch pictures are rooted; the midpoint if not given.

    Raises:
        ConfigError: the run has no folder, or another process works on it.
        InputError: a file cannot be written.
    """
    if run.folder is None:
        raise ConfigError("the run is not kept in a folder: fit it with one to have its files written")
    with hold(run.folder.path):
        return _summarise(run, run.folder, reporter, until, outgroup)


def _summarise(
    run: Run, folder: RunFolder, reporter: Reporter | None, until: float | None, outgroup: str | None
) -> Summary:
    sample = run.weighted_sample(n_repeats=SUMMARY_REPEATS, reporter=reporter, until=until)
    evaluation = sample.evaluation
    if reporter is not None:
        reporter.message("diagnostics and report")
    hurried = time_is_up(until)
    diagnosis = diagnose(run, sample, name=run.config.data_name, neighbours=not hurried)
    level, sentence = worst(diagnosis.diagnostics), verdict(diagnosis.diagnostics)
    warning = (caution(run, evaluation) or sentence) if level == "poor" else None
    judged = {"verdict": {"level": level, "text": sentence}}
    learned = {} if run.learned is None else {"component_weights": run.learned.to_dict()}
    parameters = {"parameters": sample.parameters.to_dict()} if sample.draws.parameter_names else {}
    write_json(folder.evaluation, {**evaluation.to_dict(), **learned, **parameters, **judged, "warning": warning})
    if warning is not None and reporter is not None:
        reporter.warning(warning)
    posterior = write_posterior(
        folder.posterior,
        sample,
        numpy_generator(run.config.seed, stream=SAMPLE_STREAM),
        title=f"{run.config.data_name}: majority-rule consensus",
        outgroup=outgroup,
    )
    write_report(run, sample, folder.report, figures=folder.figures, outgroup=outgroup, diagnosis=diagnosis)
    return Summary(evaluation=evaluation, posterior=posterior, diagnosis=diagnosis)
