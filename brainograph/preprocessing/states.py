"""Brain states: recurring patterns of windowed connectivity, learnt over participants."""

from collections.abc import Iterator, Sequence
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import find_peaks
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.connectivity.dynamic import Window
from brainograph.connectivity.series import check_choice
from brainograph.graphs.dynamics import cohort_windows, repetition_times
from brainograph.graphs.states import state_transitions, state_visits
from brainograph.preprocessing.inputs import check_regions, region_names

__all__ = ["BrainStates"]

FitOn = Literal["all", "exemplars"]
Scans = Cohort | Sequence[np.ndarray]
Vectors = NDArray[np.float32]


class BrainStates(TransformerMixin, BaseEstimator):
    r"""Cluster the windows of many scans into a few states by k-means.

    Windows, as vectors of Fisher z, are pooled over the participants of ``fit`` and

    .. math:: \min_{c, s} \sum_{i} \sum_{w} \lVert z_{iw} - c_{s(i, w)} \rVert^2

    is sought. As in [1]_, exemplars come first: the windows of each scan whose variance over edges
    is a local maximum. Their clusters, the best of ``n_init`` starts, are where that of all
    windows begins. (There the distance is the sum of absolute differences.) New participants get
    the nearest centroid: nothing is learnt from them, so in a pipeline nothing leaks from test
    rows.

    Parameters
    ----------
    n_states : int
        K.
    length, step : float (seconds), or int (volumes) with ``t_r=None``
        Of the windows.
    t_r : str, float (seconds) or None
        The column of the phenotype with the repetition times, one for all, or none.
    window : str
        Taper, as of :func:`~brainograph.connectivity.sliding_window`.
    fit_on : {"all", "exemplars"}
        ``"exemplars"`` stops after the first step and keeps no other window: with 200 regions
        a thousand windows take 80 MB.
    n_init : int
        Starts of k-means on the exemplars.
    random_state : int
        Seed.

    Attributes
    ----------
    centroids_ : ndarray (K, R, R)
        Fisher z with a diagonal of 0; the most frequent state comes first.
    regions_ : ndarray (R,) of str
        The regions of the fit.
    n_features_in_ : int
        R.
    inertia_ : float
        The sum above, over what was clustered last.

    References
    ----------
    .. [1] Allen E. A. et al. (2014), Tracking whole-brain connectivity dynamics in the resting
       state, Cereb. Cortex 24:663-676.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(12, n_regions=6)
    >>> states = BrainStates(3, length=40.0, step=10.0).fit(cohort[:8])
    >>> states.centroids_.shape, states.transform(cohort[8:]).shape
    ((3, 6, 6), (4, 7))
    >>> states.visits(cohort[8:])["participant_id"].nunique()
    4
    """

    def __init__(
        self,
        n_states: int = 5,
        *,
        length: float = 60.0,
        step: float = 2.0,
        t_r: str | float | None = "repetition_time",
        window: Window = "rectangular",
        fit_on: FitOn = "all",
        n_init: int = 10,
        random_state: int = 0,
    ) -> None:
        self.n_states = n_states
        self.length = length
        self.step = step
        self.t_r = t_r
        self.window = window
        self.fit_on = fit_on
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: Scans, y: object = None) -> Self:
        """Learn the states.

        Parameters
        ----------
        X : Cohort (S), or S arrays (W_s, R, R)
            Participants with series, or their windows as Fisher z. A cohort is taken in the
            order of its ids.
        y : ignored
            For the pipeline.

        Returns
        -------
        BrainStates
            Itself.

        Raises
        ------
        ValueError
            If there are fewer windows than states, or a scan is shorter than a window.
        """
        check_choice("fit_on", self.fit_on, FitOn)
        if isinstance(X, Cohort):
            X = X[np.argsort(X.participant_ids)]
        windows, exemplars = [], []
        for vectors in self._vectors(X):
            exemplars.append(vectors[_exemplars(vectors)])
            if self.fit_on == "all":
                windows.append(vectors)
        first = np.concatenate(exemplars)
        pooled = np.concatenate(windows) if windows else first
        if not 2 <= self.n_states <= len(pooled):
            raise ValueError(
                f"n_states must be at least 2 and at most the {len(pooled)} windows, got "
                f"{self.n_states}. Write n_states=5, or make step smaller."
            )
        start = first if len(first) >= self.n_states else pooled
        found = KMeans(self.n_states, n_init=self.n_init, random_state=self.random_state).fit(start)
        if self.fit_on == "all":
            found = KMeans(self.n_states, init=found.cluster_centers_, n_init=1).fit(pooled)
        order = np.argsort(-np.bincount(found.labels_, minlength=self.n_states), kind="stable")
        self.regions_ = region_names(X)
        self.n_features_in_ = len(self.regions_)
        self.centroids_ = _matrices(found.cluster_centers_[order], self.n_features_in_)
        self.inertia_ = float(found.inertia_)
        return self

    def predict(self, X: Scans) -> list[NDArray[np.int64]]:
        """Return the state of each window: S arrays (W_s,)."""
        check_is_fitted(self)
        check_regions(self.regions_, region_names(X))
        centroids = _edges(self.centroids_)  # (K, E)
        norms = (centroids**2).sum(axis=1)
        return [
            (norms - 2 * vectors @ centroids.T).argmin(
                axis=1
            )  # the square of z is the same for all
            for vectors in self._vectors(X)
        ]

    def visits(self, X: Scans) -> pd.DataFrame:
        """Return the table of dwell times (:func:`~brainograph.graphs.state_visits`)."""
        steps = self._step_seconds(X)
        return state_visits(
            self.predict(X), self.n_states, participant_ids=_names(X), step_seconds=steps
        )

    def transitions(self, X: Scans) -> pd.DataFrame:
        """Return the table of steps (:func:`~brainograph.graphs.state_transitions`)."""
        return state_transitions(self.predict(X), self.n_states, participant_ids=_names(X))

    def transform(self, X: Scans) -> NDArray[np.float64]:
        """Return each participant's summary as features (S, 2 K + 1).

        The fraction of windows in each state, its mean dwell time (s, or windows without ``t_r``;
        0 if it was not visited), and the share of steps between windows that change the state.
        """
        sequences, steps = self.predict(X), self._step_seconds(X)
        table = state_visits(sequences, self.n_states, step_seconds=steps)
        dwell = table["dwell_windows" if steps is None else "dwell_seconds"].fillna(0)
        shape = (len(sequences), self.n_states)
        n_steps = np.array([max(len(sequence) - 1, 1) for sequence in sequences])
        rate = table["n_transitions"].to_numpy().reshape(shape)[:, 0] / n_steps
        fraction = table["fraction"].to_numpy().reshape(shape)
        return np.column_stack([fraction, dwell.to_numpy().reshape(shape), rate])

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the name of each column of :meth:`transform`."""
        check_is_fitted(self)
        names = [
            f"state {k} {what}" for what in ("fraction", "dwell") for k in range(self.n_states)
        ]
        return np.array([*names, "transition rate"], dtype=object)

    def _vectors(self, X: Scans) -> Iterator[Vectors]:
        """Yield the windows of each scan as vectors of edges (W_s, R(R-1)/2)."""
        if not isinstance(X, Cohort):
            return (_edges(np.asarray(one, dtype=np.float32)) for one in X)
        windows = cohort_windows(
            X, self.length, step=self.step, t_r=self.t_r, window=self.window, kind="fisher z"
        )
        return (_edges(one) for one in windows)

    def _step_seconds(self, X: Scans) -> list[float] | None:
        """Return the seconds between the windows of each scan, which are whole volumes."""
        if not isinstance(X, Cohort) or self.t_r is None:
            return None
        times = [float(time or np.nan) for time in repetition_times(X, self.t_r)]
        return [max(1, int(np.floor(self.step / time + 0.5))) * time for time in times]


def _exemplars(vectors: Vectors) -> NDArray[np.int64]:
    """Return the windows whose variance over edges is a local maximum, or else the largest."""
    variance = vectors.var(axis=1)
    peaks = find_peaks(variance)[0]
    return peaks if len(peaks) else np.array([variance.argmax()])


def _edges(matrices: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(matrices.shape[-1], k=1)
    return matrices[..., first, second]


def _matrices(edges: np.ndarray, n_regions: int) -> np.ndarray:
    matrices = np.zeros((len(edges), n_regions, n_regions), dtype=edges.dtype)
    first, second = np.triu_indices(n_regions, k=1)
    matrices[:, first, second] = matrices[:, second, first] = edges
    return matrices


def _names(X: Scans) -> list[str] | None:
    return X.participant_ids if isinstance(X, Cohort) else None
