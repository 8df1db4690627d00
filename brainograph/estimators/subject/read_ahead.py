"""Read the next batch in a thread while the current one is computed."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["ReadAhead"]


class ReadAhead:
    """Batches that will be asked for in a known order, each read before it is.

    One thread reads one batch beyond that in use, so that memory holds two. Rows that come out of
    turn are read on the spot.

    Parameters
    ----------
    read : callable
        From rows to their batch.
    order : iterable of arrays of int
        Rows of each batch.

    Examples
    --------
    >>> import torch
    >>> def read(rows):
    ...     return BrainBatch(phenotypes=torch.from_numpy(rows)[:, None])
    >>> ahead = ReadAhead(read, [np.array([0, 1]), np.array([2])])
    >>> [len(ahead(np.array(rows))) for rows in ([0, 1], [2], [0, 1, 2])]
    [2, 1, 3]
    """

    def __init__(
        self, read: Callable[[np.ndarray], BrainBatch], order: Iterable[np.ndarray]
    ) -> None:
        self._read = read
        self._order = deque(order)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._waiting: tuple[np.ndarray, Future[BrainBatch]] | None = None
        self._start_next()

    def _start_next(self) -> None:
        self._waiting = None
        if self._order:
            rows = self._order.popleft()
            self._waiting = rows, self._pool.submit(self._read, rows)

    def __call__(self, rows: np.ndarray) -> BrainBatch:
        """Return the batch of some rows, and start to read the one after it."""
        if self._waiting is None or not np.array_equal(self._waiting[0], rows):
            return self._read(rows)
        batch = self._waiting[1].result()
        self._start_next()
        return batch
