"""Simulated confounds: the table that fMRIPrep writes, and what they do to a scan."""

import numpy as np
import pandas as pd

__all__ = ["draw_confounds"]

_MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
_HEAD_RADIUS = 50.0  # mm, Power et al., NeuroImage 2012
_HIGH_PASS = 128.0  # s, the longest period that is kept


def _head_motion(n_volumes: int, mean_fd: float, rng: np.random.Generator) -> np.ndarray:
    """Draw six parameters (T, 6), in mm and radians, with a given mean displacement."""
    steps = rng.normal(size=(n_volumes, 6))
    spikes = rng.choice(n_volumes, max(1, round(8 * mean_fd)), replace=False)
    steps[spikes] *= 12
    steps[0] = 0
    millimetres = np.cumsum(steps - 0.05 * np.cumsum(steps, axis=0), axis=0)
    displacement = np.abs(np.diff(millimetres, axis=0)).sum(axis=1).mean()
    millimetres *= mean_fd / displacement
    return millimetres / np.array([1, 1, 1, *[_HEAD_RADIUS] * 3])


def _cosines(n_volumes: int, t_r: float) -> np.ndarray:
    """Return the slow cosines (T, .) of a discrete cosine transform, as fMRIPrep does."""
    order = max(1, int(2 * n_volumes * t_r / _HIGH_PASS))
    angles = np.outer(np.arange(n_volumes) + 0.5, np.arange(1, order + 1))
    return np.sqrt(2 / n_volumes) * np.cos(np.pi * angles / n_volumes)


def _expand(table: pd.DataFrame) -> pd.DataFrame:
    """Add the derivative of each column and the squares of both; the first row has none."""
    derivative = table.diff().add_suffix("_derivative1")
    squares = (table**2).add_suffix("_power2")
    return pd.concat([table, derivative, squares, (derivative**2).add_suffix("_power2")], axis=1)


def draw_confounds(
    n_volumes: int, *, t_r: float, mean_fd: float, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw the confounds of a scan and the artefacts that they leave in it.

    Parameters
    ----------
    n_volumes : int
        T.
    t_r : float, s
        Repetition time.
    mean_fd : float, mm
        Mean framewise displacement.
    rng : Generator
        Where the numbers come from.

    Returns
    -------
    confounds : DataFrame (T, .)
        With fMRIPrep's column names.
    artefacts : (T, A), per cent of the signal
        Time courses that cleaning with the confounds removes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> confounds, artefacts = draw_confounds(100, t_r=2.0, mean_fd=0.2, rng=rng)
    >>> float(round(confounds["framewise_displacement"].mean(), 3))
    0.2
    >>> [name for name in confounds if name.startswith("trans_x")]
    ['trans_x', 'trans_x_derivative1', 'trans_x_power2', 'trans_x_derivative1_power2']
    """
    motion = pd.DataFrame(_head_motion(n_volumes, mean_fd, rng), columns=_MOTION)
    millimetres = motion * [1, 1, 1, *[_HEAD_RADIUS] * 3]
    steps = millimetres.diff()
    tissue = pd.DataFrame(
        0.3 * rng.normal(size=(n_volumes, 3)).cumsum(axis=0),
        columns=["csf", "white_matter", "global_signal"],
    )
    tissue = tissue - tissue.rolling(20, min_periods=1).mean()
    cosines = _cosines(n_volumes, t_r)
    artefacts = np.column_stack(
        [millimetres, 3 * steps.fillna(0), tissue[["csf", "white_matter"]], 5 * cosines]
    )
    confounds = _expand(motion).join(_expand(3000 + 30 * tissue))
    confounds["framewise_displacement"] = steps.abs().sum(axis=1, min_count=1)
    dvars = 20 + 60 * confounds["framewise_displacement"]
    confounds["dvars"], confounds["std_dvars"] = dvars, dvars / dvars.mean()
    names = [f"cosine{number:02d}" for number in range(cosines.shape[1])]
    return confounds.join(pd.DataFrame(cosines, columns=names)).round(6), artefacts
