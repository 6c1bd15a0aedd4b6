"""The report of a run as one page for people."""

from vbpi_mix.analysis.report.write import write_report

__all__ = ["write_report"]
