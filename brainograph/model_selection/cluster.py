"""A Dask cluster for the fits of a run: processes of this machine, or the nodes of a centre."""

import functools
import io
import logging
import pickle
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from mmap import mmap
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import joblib
import numpy as np
from joblib.parallel import get_active_backend

from brainograph.model_selection.environment import versions

__all__ = ["cluster", "cluster_facts", "each"]

_FORMS = "'local', 'dask://HOST:PORT' or the scheduler's file 'NAME.json'"


@contextmanager
def cluster(address: str, *, n_workers: int | None = None) -> Iterator[Any]:
    """Run the fits of :func:`~brainograph.model_selection.cross_validate` on a Dask cluster.

    The numbers are those of a run on one machine, bit for bit where the processors agree. A worker
    that dies loses nothing: what it was doing is done by another. Workers may join at any time.
    A saved cohort is sent as the paths of its arrays, which workers open: put it on a file system
    that all machines mount. Give paths that models keep (``memory``, ``journal``) in full.

    Parameters
    ----------
    address : str
        ``"local"``: processes of this machine. ``"dask://host:port"`` or ``"tcp://host:port"``: a
        scheduler that runs. ``"scheduler.json"``: the file that a scheduler wrote. Workers have
        one thread each: ``dask worker ADDRESS --nthreads 1 --nworkers N``.
    n_workers : int, optional
        Processes of ``"local"``; by default one for each processor.

    Yields
    ------
    distributed.Client
        The connection.

    Raises
    ------
    ImportError
        If Dask is not installed.
    ValueError
        If the address is of another form.
    ConnectionError
        If no scheduler answers.

    Examples
    --------
    >>> with cluster("slurm"):
    ...     pass
    Traceback (most recent call last):
    ValueError: a cluster is 'local', 'dask://HOST:PORT' or the scheduler's file 'NAME.json', got...

    In a script::

        if __name__ == "__main__":  # worker processes import the script
            with cluster("local", n_workers=2):
                results = cross_validate(model, cohort, y, folder="results")
    """
    dask, distributed = _import()
    with ExitStack() as stack:
        if address == "local":
            # A worker that was killed is replaced, however long its imports take on a busy machine.
            patience = {"distributed.deploy.lost-worker-timeout": "1h"}
            stack.enter_context(dask.config.set(patience))
            local = distributed.LocalCluster(
                n_workers=n_workers or joblib.cpu_count(),
                threads_per_worker=1,
                memory_limit=0,  # the pages of memory maps would count
                dashboard_address=":0",
                silence_logs=logging.ERROR,
            )
            stack.enter_context(local)
            client = distributed.Client(local, set_as_default=False)
        else:
            client = _connect(distributed, address)
        stack.enter_context(client)
        stack.enter_context(joblib.parallel_config(backend="dask", client=client))
        yield client


def _import() -> tuple[Any, Any]:
    try:
        import dask
        import distributed
    except ImportError as error:
        raise ImportError(
            "a cluster needs Dask. Write `pip install brainograph[cluster]`, or leave the cluster "
            "out and use several processors of this machine with n_jobs (--jobs)."
        ) from error
    return dask, distributed


def _connect(distributed: Any, address: str) -> Any:
    """Return a client of a scheduler that runs."""
    parts = urlsplit(address)
    if address.endswith(".json"):
        if not Path(address).is_file():
            raise FileNotFoundError(
                f"{address} does not exist. `dask scheduler --scheduler-file {address}` writes it."
            )
        where: dict[str, str] = {"scheduler_file": address}
    elif parts.scheme in ("dask", "tcp", "tls") and parts.hostname and _port(address):
        where = {"address": address.replace("dask://", "tcp://", 1)}
    else:
        raise ValueError(f"a cluster is {_FORMS}, got {address!r}.")
    try:
        client = distributed.Client(**where, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {address}. Start one with `dask scheduler` and workers "
            "with `dask worker ADDRESS --nthreads 1 --nworkers N`; docs/howto/cluster.md has a "
            "complete example."
        ) from error
    if not client.nthreads():
        warnings.warn(
            f"The cluster at {address} has no workers yet: fits wait until some join. Start them "
            "with `dask worker ADDRESS --nthreads 1 --nworkers N`.",
            stacklevel=4,
        )
    return client


def _port(address: str) -> int | None:
    try:
        return urlsplit(address).port
    except ValueError:
        return None


def _client() -> Any | None:
    """Return the Dask client that joblib was told to use, by us or by the user."""
    backend, _ = get_active_backend()
    distributed = sys.modules.get("distributed")
    client = getattr(backend, "client", None)
    return client if distributed and isinstance(client, distributed.Client) else None


def cluster_facts() -> dict[str, Any] | None:
    """Return the scheduler and the workers of the cluster that is in use, for the provenance."""
    client = _client()
    if client is None:
        return None
    workers = list(client.nthreads())
    hosts = sorted({str(urlsplit(worker).hostname) for worker in workers})
    return {"scheduler": client.scheduler.address, "n_workers": len(workers), "hosts": hosts}


def each(
    function: Callable[..., Any], items: Sequence[Any], *shared: Any, n_jobs: int = 1
) -> Iterator[tuple[int, Any]]:
    """Yield the place of each item and ``function(item, *shared)``, as they are finished.

    Parameters
    ----------
    function : callable
        What is to be done, the same whenever it is done again.
    items : sequence
        Small: sent one by one.
    *shared : anything
        Sent to each worker once; memory maps as their paths.
    n_jobs : int
        Processes at a time, through joblib, where no cluster is in use.

    Examples
    --------
    >>> sorted(each(pow, [2, 3], 2))
    [(0, 4), (1, 9)]
    """
    client = _client()
    if client is not None:
        yield from _each_on_cluster(client, function, items, shared)
        return
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    yield from parallel(
        joblib.delayed(_placed)(place, function, item, shared) for place, item in enumerate(items)
    )


def _placed(
    place: int, function: Callable[..., Any], item: Any, shared: tuple[Any, ...]
) -> tuple[int, Any]:
    return place, function(item, *shared)


def _each_on_cluster(
    client: Any, function: Callable[..., Any], items: Sequence[Any], shared: tuple[Any, ...]
) -> Iterator[tuple[int, Any]]:
    """Submit all items; a result or a parcel that dies with a worker is made again by Dask."""
    import dask
    from distributed import as_completed

    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        parcel = client.submit(bytes, _pack((function, shared, versions())), pure=False)
    places = {
        client.submit(_work, _pack(item), parcel, pure=False): place
        for place, item in enumerate(items)
    }
    try:
        for future in as_completed(list(places), loop=client.loop):
            yield places.pop(future), future.result()
    finally:
        client.cancel([parcel, *places])


def _work(item: bytes, parcel: bytes) -> Any:
    """Do one item on a worker."""
    function, shared = _unpack(parcel)
    return function(pickle.loads(item), *shared)


@functools.lru_cache(maxsize=1)
def _unpack(parcel: bytes) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Open what is shared, once in a worker that gives the same numbers as any other."""
    from distributed import get_worker

    function, shared, expected = pickle.loads(parcel)
    found = versions()
    other = [f"{k} {found.get(k)} for {v}" for k, v in expected.items() if found.get(k) != v]
    if other:
        raise RuntimeError(
            f"the worker on {socket.gethostname()} has {', '.join(other)}. Start all workers in "
            "the environment that the command runs in."
        )
    if get_worker().state.nthreads > 1:
        raise RuntimeError(
            f"the worker on {socket.gethostname()} has {get_worker().state.nthreads} threads, and "
            "seeds are those of a process. Start it with --nthreads 1 (and --nworkers N)."
        )
    return function, shared


def _pack(content: Any) -> bytes:
    """Pickle memory maps of whole files as their paths, and what a script defines by value."""
    import cloudpickle

    class Packer(cloudpickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if type(obj) is np.memmap and isinstance(obj.base, mmap) and obj.flags.c_contiguous:
                return _open_map, (str(obj.filename), obj.dtype, obj.offset, obj.shape)
            return super().reducer_override(obj)

    buffer = io.BytesIO()
    Packer(buffer).dump(content)
    return buffer.getvalue()


def _open_map(file: str, dtype: np.dtype, offset: int, shape: tuple[int, ...]) -> np.memmap:
    """Open a memory map by its path on a worker."""
    try:
        return np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=shape)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{socket.gethostname()} does not see {file}. Put the cohort on a file system that "
            "all machines mount under the same path."
        ) from error
