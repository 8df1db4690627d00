"""One self-contained HTML page from a results folder."""

from brainograph.report.write import write_report

__all__ = ["write_report"]
