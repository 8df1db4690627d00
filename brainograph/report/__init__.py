"""One self-contained HTML page from a results folder, and its verdict in words."""

from brainograph.report.verdict import Verdict, verdicts
from brainograph.report.write import write_report

__all__ = ["Verdict", "verdicts", "write_report"]
