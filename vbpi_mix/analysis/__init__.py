"""Using a run: summary, diagnostics, comparison, model ranking, export, report."""

from vbpi_mix.analysis.export import Export, export_run, stream_trees
from vbpi_mix.analysis.fitting import fit, load
from vbpi_mix.analysis.summary import Summary, summarise

__all__ = ["Export", "Summary", "export_run", "fit", "load", "stream_trees", "summarise"]
