"""Read many files in parallel: nothing is lost, and a run that was stopped goes on."""

import errno
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import joblib
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from threadpoolctl import ThreadpoolController

from brainograph.cohort import Cohort
from brainograph.files import json_text, replace_on_success, write_json

__all__ = ["assemble", "collect", "failure_table", "refuse_nothing"]

Result = dict[str, Any]


def failure_table(rows: Sequence[tuple[str, Any, str]] = ()) -> pd.DataFrame:
    """Return the table of what could not be read: ``participant_id, source, reason``."""
    return pd.DataFrame(rows, columns=["participant_id", "source", "reason"], dtype=object)


def _begin(work_dir: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings to ``work_dir``, or refuse one that has results of others."""
    given = json.loads(json_text(settings))
    path = work_dir / "settings.json"
    if not (path.is_file() and any(work_dir.glob("*.npz"))):
        write_json(given, path)
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    changed = [
        f"{name} was {found.get(name)!r}, now {given.get(name)!r}"
        for name in sorted({*found, *given})
        if found.get(name) != given.get(name)
    ]
    if changed:
        raise ValueError(
            f"work_dir {work_dir} was begun with other settings: {'; '.join(changed)}. "
            "Choose another work_dir, or delete this one to read everything again."
        )


def _load(path: Path) -> Result:
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


@lru_cache(maxsize=1)
def _threadpools() -> ThreadpoolController:
    """Find the BLAS libraries once in a process: looking for them takes longer than most reads."""
    return ThreadpoolController()


def _attempt(
    key: str,
    sources: Sequence[Path],
    *,
    read: Callable[..., Result],
    done: Path | None,
    alone: bool,
) -> tuple[str, Result | None, str]:
    """Read one item; an error becomes the reason, but a full disk stops everything."""
    try:
        with nullcontext() if alone else _threadpools().limit(limits=1):
            result = {name: np.asarray(value) for name, value in read(*sources).items()}
        if done is not None:
            with replace_on_success(done) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, **result)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        name = "" if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: "
        return key, None, " ".join(f"{name}{error}".split()) or type(error).__name__
    return key, result, ""


def _bar(items: Iterator[Any], total: int, *, shown: bool) -> Iterator[Any]:
    console = Console(stderr=True)
    disable = not (shown and console.is_terminal)
    return iter(track(items, "Reading", total=total, console=console, disable=disable))


def collect(
    read: Callable[..., Result],
    tasks: Mapping[str, Sequence[Path]],
    *,
    settings: Mapping[str, Any],
    n_jobs: int = 1,
    work_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> tuple[dict[str, Result], pd.DataFrame]:
    """Call ``read(*sources)`` for each task, in parallel, and keep what succeeds.

    Parameters
    ----------
    read : callable
        Takes the paths of one task, returns arrays and numbers by name.
    tasks : mapping of key to paths
        What is to be read.
    settings : mapping
        What the results depend on; a ``work_dir`` of other settings is refused.
    n_jobs : int
        Processes, each with one BLAS thread; -1 for every core. A joblib backend in force
        (Dask, Ray) is used.
    work_dir : path, optional
        Where each result is kept as soon as it is there; a second run reads only the rest.
    progress : bool
        Whether a terminal shows a progress bar.

    Returns
    -------
    results : dict
        What ``read`` returned, in the order of ``tasks``.
    failures : DataFrame
        ``participant_id`` (the key), ``source`` and ``reason`` of the others.

    Raises
    ------
    ValueError
        If nothing could be read, or if ``work_dir`` belongs to other settings.
    OSError
        If the disk is full. What is done is kept in ``work_dir``.

    Examples
    --------
    >>> tasks = {"sub-01": [Path("1.txt")], "sub-02": [Path("x.txt")]}
    >>> results, failures = collect(lambda path: {"n": int(path.stem)}, tasks, settings={})
    >>> results
    {'sub-01': {'n': array(1)}}
    >>> failures["reason"].tolist()
    ["invalid literal for int() with base 10: 'x'"]
    """
    done: dict[str, Path | None] = dict.fromkeys(tasks)
    if work_dir is not None:
        work_dir = Path(work_dir)
        _begin(work_dir, settings)
        done = {key: work_dir / f"{quote(key, safe='')}.npz" for key in tasks}
    results = {key: _load(path) for key, path in done.items() if path and path.is_file()}
    todo = [key for key in tasks if key not in results]
    attempt = partial(_attempt, read=read, alone=n_jobs == 1)
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    reasons: dict[str, str] = {}
    try:
        calls = (joblib.delayed(attempt)(key, tasks[key], done=done[key]) for key in todo)
        for key, result, reason in _bar(parallel(calls), len(todo), shown=progress):
            if result is None:
                reasons[key] = reason
            else:
                results[key] = result
    except (OSError, KeyboardInterrupt) as error:
        kept = _kept(len(results), len(tasks), work_dir)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(f"stopped: {kept}") from error
        raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: {kept}") from error
    rows = [("; ".join(map(str, tasks[key])), reasons[key]) for key in tasks if key in reasons]
    failed = [key for key in tasks if key in reasons]
    if not results:
        refuse_nothing(rows)
    failures = failure_table([(key, *row) for key, row in zip(failed, rows, strict=True)])
    return {key: results[key] for key in tasks if key in results}, failures


def _kept(n_done: int, n_all: int, work_dir: Path | None) -> str:
    if work_dir is None:
        return f"{n_done} of {n_all} were read and are lost. Give work_dir=FOLDER to keep them."
    return (
        f"{n_done} of {n_all} are done and kept in {work_dir}. Make room if the disk is full, "
        "then give the same command again: it goes on from there."
    )


def refuse_nothing(rows: Sequence[tuple[str, str]]) -> NoReturn:
    """Raise the error of a build without any result; ``rows`` are sources and reasons."""
    first = "".join(f"\n  {source}: {reason}" for source, reason in rows[:3])
    raise ValueError(
        f"Nothing could be read: {len(rows)} of {len(rows)} failed.{first}\n"
        "Mend the first of these, then give the same command again."
    )


def assemble(
    results: Mapping[str, Result],
    failures: pd.DataFrame,
    *,
    member: str,
    phenotype: pd.DataFrame,
    provenance: Mapping[str, Any],
    sources: Mapping[str, Sequence[Path]],
    regions: pd.DataFrame | None = None,
    name: str = "fc",
    images: pd.DataFrame | None = None,
) -> Cohort:
    """Make a cohort of what :func:`collect` read.

    ``result[member]`` is a participant's array and ``result["regions"]``, where there is one, the
    names of its columns; a participant whose regions differ from most becomes a failure.
    Numbers (0-d arrays) become columns of the phenotype, unless it has them.
    """
    expected, results, odd = _agreed(results, member=member, regions=regions)
    rows = [(key, "; ".join(map(str, sources[key])), reason) for key, reason in odd.items()]
    failures = pd.concat([failures, failure_table(rows)], ignore_index=True)
    ids = list(results)
    phenotype = phenotype.reindex(ids)
    scalars = pd.DataFrame(
        [{key: v.item() for key, v in result.items() if not v.ndim} for result in results.values()],
        index=ids,
    )
    for column in scalars:
        phenotype[column] = (
            phenotype[column].fillna(scalars[column]) if column in phenotype else scalars[column]
        )
    arrays = [result[member].astype(np.float32) for result in results.values()]
    stacked = {} if member == "timeseries" else {name: np.stack(arrays)}
    return Cohort(
        phenotype,
        expected,
        timeseries=arrays if member == "timeseries" else None,
        connectivity=stacked if member == "connectivity" else {},
        images=pd.DataFrame() if images is None else images.reindex(ids),
        failures=failures,
        provenance=provenance,
    )


def _agreed(
    results: Mapping[str, Result], *, member: str, regions: pd.DataFrame | None
) -> tuple[pd.DataFrame, dict[str, Result], dict[str, str]]:
    """Split those with the regions given, or that most have, from those with others."""

    def columns(result: Result) -> tuple[str, ...]:
        if "regions" in result:
            return tuple(result["regions"].tolist())
        return tuple(f"ROI_{i + 1}" for i in range(result[member].shape[1]))

    named = {key: columns(result) for key, result in results.items()}
    if regions is None:
        regions = pd.DataFrame(index=list(Counter(named.values()).most_common(1)[0][0]))
    wanted = tuple(regions.index)
    kept, odd = {}, {}
    for key, result in results.items():
        width, given = result[member].shape[1], "regions" in result
        if width == len(wanted) and (not given or named[key] == wanted):
            kept[key] = result
            continue
        strangers = sorted(set(named[key]) ^ set(wanted))[:3] if given else []
        detail = f"; not in both: {', '.join(strangers)}" if strangers else ""
        odd[key] = f"has {width} regions, needed {len(wanted)}{detail}"
    if not kept:
        key, reason = next(iter(odd.items()))
        raise ValueError(
            f"No participant has the {len(wanted)} regions given: {key} {reason}. "
            "Leave regions out to take them from the files."
        )
    return regions, kept, odd
