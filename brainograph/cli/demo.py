"""``brainograph demo``: the whole path on simulated scans."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from brainograph.cli.app import Jobs, app, say

__all__ = ["demo"]


@app.command(epilog="Example: brainograph demo --output brainograph_demo --jobs 2")
def demo(
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("brainograph_demo"),
    jobs: Jobs = 2,
) -> None:
    """Run the whole path on simulated scans: build, crossval, report. Nothing is downloaded."""
    from brainograph.datasets import simulate_fmriprep

    scans, cohort, results = output / "fmriprep", output / "cohort", output / "results"
    if not (scans / "participants.tsv").is_file():
        say(f"Simulating a small fMRIPrep data set in {scans} ...")
        simulate_fmriprep(scans)
    config = _shipped_config("demo.yaml")
    names, n_jobs = str(scans / "atlas.tsv"), ["--jobs", str(jobs)]
    atlas = ["--atlas", str(scans / "atlas.nii.gz"), "--atlas-names", names]
    steps = [
        ["build", str(scans), str(cohort), "--layout", "fmriprep", *atlas, *n_jobs, "--overwrite"],
        ["crossval", str(config), str(results), "--set", f"cohort={cohort}", *n_jobs],
        ["report", str(results)],
    ]
    for step in steps:
        say(f"\n$ brainograph {shlex.join(step)}")
        app(step, standalone_mode=False)


def _shipped_config(name: str) -> Path:
    """Return a config of the distribution, or of the checkout that is being worked on."""
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} was not installed; reinstall with `pip install brainograph`.")
