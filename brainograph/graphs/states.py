"""What sequences of brain states say: how long each lasts and what follows on it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

__all__ = ["state_transitions", "state_visits"]


def state_visits(
    sequences: Sequence[ArrayLike],
    n_states: int,
    *,
    participant_ids: Sequence[str] | None = None,
    step_seconds: Sequence[float] | float | None = None,
) -> pd.DataFrame:
    """Tell how often and how long each participant is in each state (Allen et al. 2014).

    A visit is a run of windows in one state; those at the two ends of a scan count as they are,
    although they may have been longer.

    Parameters
    ----------
    sequences : S arrays (W_s,) of int
        The state of each window, 0 to ``n_states`` - 1.
    n_states : int
        K.
    participant_ids : sequence of str (S,), optional
        Their numbers by default.
    step_seconds : float or sequence of S floats, optional
        From one window to the next, in seconds.

    Returns
    -------
    DataFrame (S K, 7)
        ``participant_id``, ``state``, ``fraction`` of the windows, ``n_visits``, mean dwell time
        in ``dwell_windows`` and ``dwell_seconds`` (NaN for a state that was not visited, or
        without ``step_seconds``), and ``n_transitions``: how often the participant changed the
        state, the same in all their rows.

    Examples
    --------
    >>> state_visits([[0, 0, 1, 0]], 2, step_seconds=2.0).drop(columns="participant_id")
       state  fraction  n_visits  dwell_windows  dwell_seconds  n_transitions
    0      0      0.75         2            1.5            3.0              2
    1      1      0.25         1            1.0            2.0              2
    """
    states, names = _checked(sequences, n_states, participant_ids)
    steps = np.broadcast_to(np.nan if step_seconds is None else step_seconds, len(states))
    tables = []
    for name, sequence, step in zip(names, states, steps, strict=True):
        windows = np.bincount(sequence, minlength=n_states)
        changes = np.flatnonzero(np.diff(sequence)) + 1
        visits = np.bincount(sequence[np.r_[0, changes]], minlength=n_states)
        dwell = np.where(visits > 0, windows / np.maximum(visits, 1), np.nan)
        columns = {
            "participant_id": name,
            "state": np.arange(n_states),
            "fraction": windows / len(sequence),
            "n_visits": visits,
            "dwell_windows": dwell,
            "dwell_seconds": dwell * float(step),
            "n_transitions": len(changes),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def state_transitions(
    sequences: Sequence[ArrayLike],
    n_states: int,
    *,
    participant_ids: Sequence[str] | None = None,
) -> pd.DataFrame:
    r"""Count the steps from state to state of each participant.

    .. math:: P_{ab} = n_{ab} / \sum_c n_{ac}

    Parameters
    ----------
    sequences, n_states, participant_ids
        As of :func:`state_visits`.

    Returns
    -------
    DataFrame (S K K, 5)
        ``participant_id``, ``from_state``, ``to_state``, ``count`` of steps between neighbouring
        windows, and ``probability`` (NaN where a participant never leaves from ``from_state``).

    Examples
    --------
    >>> state_transitions([[0, 0, 1, 0]], 2).drop(columns="participant_id")
       from_state  to_state  count  probability
    0           0         0      1          0.5
    1           0         1      1          0.5
    2           1         0      1          1.0
    3           1         1      0          0.0
    """
    states, names = _checked(sequences, n_states, participant_ids)
    before, after = np.divmod(np.arange(n_states**2), n_states)
    tables = []
    for name, sequence in zip(names, states, strict=True):
        steps = sequence[:-1] * n_states + sequence[1:]
        counts = np.bincount(steps, minlength=n_states**2)
        total = counts.reshape(n_states, n_states).sum(axis=1)[before]
        columns = {
            "participant_id": name,
            "from_state": before,
            "to_state": after,
            "count": counts,
            "probability": np.where(total > 0, counts / np.maximum(total, 1), np.nan),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _checked(
    sequences: Sequence[ArrayLike], n_states: int, participant_ids: Sequence[str] | None
) -> tuple[list[NDArray[np.int64]], list[str]]:
    states = [np.asarray(one) for one in sequences]
    for i, one in enumerate(states):
        whole = one.ndim == 1 and len(one) and np.issubdtype(one.dtype, np.integer)
        if not whole or one.min() < 0 or one.max() >= n_states:
            raise ValueError(
                f"each sequence must be the states of one or more windows, whole numbers from 0 "
                f"to {n_states - 1}, got {one.dtype} of shape {one.shape} for participant {i}."
            )
    names = [str(i) for i in range(len(states))] if participant_ids is None else participant_ids
    if len(names) != len(states) or not states:
        raise ValueError(
            f"there must be one sequence for each participant, got {len(states)} for {len(names)}."
        )
    return [one.astype(np.int64) for one in states], list(names)
