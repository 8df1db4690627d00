"""The ``brainograph`` command: from scans to a report, one module for each part of the path.

Everything heavy is imported inside the commands, so that ``--help`` answers at once.
"""

from brainograph.cli import data, demo, experiments, explain, export, models
from brainograph.cli.app import app

__all__ = ["app", "data", "demo", "experiments", "explain", "export", "main", "models"]


def main() -> None:
    """Run the command that the arguments name."""
    app()
