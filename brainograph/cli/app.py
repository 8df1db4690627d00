"""The application: options that commands share, and mistakes put into plain words."""

import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from typer.core import TyperGroup

import brainograph

if TYPE_CHECKING:
    from brainograph.cohort import Cohort

__all__ = [
    "Cluster",
    "Jobs",
    "Overrides",
    "app",
    "console",
    "load_cohort",
    "on_cluster",
    "refuse_occupied",
    "say",
]

console = Console(stderr=True, highlight=False)


class _Commands(TyperGroup):
    """The commands; a mistake of the user ends in a message, not in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command and put warnings, errors and a stop into plain words."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except BrokenPipeError:
                raise
            except KeyboardInterrupt as stop:
                kept = str(stop).removeprefix("stopped: ")
                say(f"Stopped. {kept or 'What is finished is kept; the same command goes on.'}")
                raise SystemExit(130) from stop
            except (ValueError, ArithmeticError, OSError) as error:
                if os.environ.get("BRAINOGRAPH_TRACEBACK"):
                    raise
                console.print("[bold red]Error:[/bold red] ", end="")
                say("\n".join([_text(error), *getattr(error, "__notes__", [])]))
                raise SystemExit(1) from error


def say(text: str) -> None:
    """Print a line for the user, on standard error and as it is."""
    console.print(text, markup=False, soft_wrap=True)


def _text(error: ValueError | ArithmeticError | OSError) -> str:
    """Return the message of an error, without the number of a system error."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}." if error.filename else error.strerror


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line; those for developers stay out."""
    if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning)):
        console.print("[bold yellow]Warning:[/bold yellow] ", end="")
        say(" ".join(str(message).split()))


app = typer.Typer(
    name="brainograph",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1 for one per core.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a value of the config: key.sub=value. Repeatable."),
]


Cluster = Annotated[
    str | None,
    typer.Option(
        help="Run the fits on Dask: local (--jobs processes), dask://HOST:PORT or the scheduler's "
        "file. See docs/howto/cluster.md."
    ),
]


def on_cluster(address: str | None, jobs: int) -> AbstractContextManager[Any]:
    """Return a context in which fits run on a cluster, or where they always do."""
    if address is None:
        return nullcontext()
    from brainograph.model_selection.cluster import cluster

    return cluster(address, n_workers=jobs if address == "local" and jobs > 0 else None)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"brainograph {brainograph.__version__}")
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Graph neural network connectomics: brain scans in, honest predictions out.

    For research use only, not for diagnosis.

    Try it: [bold]brainograph demo[/bold]
    """


def refuse_occupied(folder: Path, proof: str, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, before anything is computed for it."""
    if (folder / proof).is_file():
        if not overwrite:
            raise FileExistsError(f"{folder} is there. Add --overwrite, or choose another folder.")
    elif folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds something else. Choose another folder.")


def load_cohort(folder: Path) -> "Cohort":
    """Open the cohort of an experiment."""
    from brainograph.cohort import Cohort

    try:
        return Cohort.load(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} Or name another: --set cohort=PATH") from error
