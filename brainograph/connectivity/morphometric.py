"""Similarity of brain regions in one structural scan, which has no time series to correlate."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from brainograph.connectivity.series import shorten

__all__ = ["morphometric_similarity", "profile_similarity", "regional_measures"]

_MIN_VOXELS = 10
_FLOOR = 1e-12  # of a density that sums to 1: keeps the divergence of disjoint regions finite


def _regional_voxels(
    volume: ArrayLike, labels: ArrayLike, regions: Sequence[int] | None
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the finite voxels of each region, and the label values of the regions."""
    values, atlas = np.asarray(volume, dtype=np.float64), np.asarray(labels)
    if values.shape != atlas.shape:
        raise ValueError(
            f"volume and labels must have one shape, got {values.shape} and {atlas.shape}. "
            "Resample the labels to the volume first, with nearest-neighbor interpolation."
        )
    if atlas.dtype.kind not in "iub" and not np.array_equal(atlas, np.rint(atlas)):
        raise ValueError(
            "labels must be whole numbers; these look interpolated. Resample the atlas with "
            "nearest-neighbor interpolation."
        )
    inside = (atlas > 0) & np.isfinite(values)
    atlas, values = atlas[inside].astype(np.int64), values[inside]
    codes = np.unique(atlas) if regions is None else np.asarray(regions, dtype=np.int64)
    if codes.ndim != 1 or not len(codes) or (codes <= 0).any():
        raise ValueError(
            "regions must be label values above 0, and labels must hold at least one, got "
            f"{shorten(codes.ravel())}."
        )
    order = np.argsort(atlas, kind="stable")
    atlas, values = atlas[order], values[order]
    first = np.searchsorted(atlas, codes, side="left")
    last = np.searchsorted(atlas, codes, side="right")
    return [values[a:b] for a, b in zip(first, last, strict=True)], codes


def _densities(samples: list[np.ndarray], n_points: int) -> np.ndarray:
    """Return the Gaussian kernel densities (R, n_points) on the grid that spans all samples.

    The bandwidth is Scott's, but at least half a step of the grid, which an outlying voxel can
    make coarse; each density sums to 1.
    """
    grid = np.linspace(min(x.min() for x in samples), max(x.max() for x in samples), n_points)
    densities = np.empty((len(samples), n_points))
    for density, x in zip(densities, samples, strict=True):
        bandwidth = max(x.std(ddof=1) * len(x) ** -0.2, (grid[1] - grid[0]) / 2)
        distance = (grid[:, None] - x) / bandwidth
        density[:] = np.exp(-0.5 * distance**2).sum(1)
    densities /= densities.sum(1, keepdims=True)
    densities += _FLOOR
    return densities / densities.sum(1, keepdims=True)


def morphometric_similarity(
    volume: ArrayLike,
    labels: ArrayLike,
    *,
    regions: Sequence[int] | None = None,
    max_voxels: int = 2000,
    n_points: int = 128,
    random_state: int = 0,
) -> np.ndarray:
    r"""Compare the intensity distributions of the regions of one structural scan.

    A structural MRI or PET volume has no time series; its network is the similarity [1]_

    .. math:: s_{ij} = \exp\left(-\left(D(p_i \| p_j) + D(p_j \| p_i)\right)\right),
        \qquad D(p \| q) = \sum_k p_k \log \frac{p_k}{q_k}

    of the regions' intensity densities :math:`p`, estimated by Gaussian kernels (Scott's
    bandwidth) on one grid from the lowest to the highest voxel of the regions. Densities are
    floored at 1e-12, so that regions without overlap stay above 0.

    Parameters
    ----------
    volume : array (D, H, W)
        Intensities: grey matter, T1 or PET uptake; voxels that are not finite are left out.
    labels : array (D, H, W) of int
        The region of each voxel; 0 and below is outside.
    regions : sequence of R ints, optional
        Label values, in the order of the rows; by default those that occur, sorted. Give them,
        so that the rows of several scans mean the same regions.
    max_voxels : int
        A larger region is represented by this many of its voxels, drawn without replacement.
    n_points : int
        Points of the grid.
    random_state : int
        Seed of the drawing; each region's is independent of the others.

    Returns
    -------
    array (R, R) of float64
        Symmetric, in (0, 1], 1 on the diagonal. Rows and columns of regions of fewer than 10
        voxels or of a single intensity are 0, and a warning lists them.

    Raises
    ------
    ValueError
        If the shapes differ or the labels are not whole numbers above 0.

    References
    ----------
    .. [1] Wang H. et al. (2016), Single-subject morphological brain networks: connectivity
       mapping, topological characterization and test-retest reliability, Brain Behav. 6:e00448.

    Examples
    --------
    >>> labels = np.repeat([1, 2, 3], 100)
    >>> volume = np.random.default_rng(0).normal(np.repeat([0, 0, 3], 100))
    >>> morphometric_similarity(volume, labels).round(2)
    array([[1.  , 0.93, 0.  ],
           [0.93, 1.  , 0.  ],
           [0.  , 0.  , 1.  ]])
    """
    if max_voxels < _MIN_VOXELS or n_points < 2:
        raise ValueError(
            f"max_voxels must be at least {_MIN_VOXELS} and n_points at least 2, got "
            f"max_voxels={max_voxels} and n_points={n_points}."
        )
    voxels, codes = _regional_voxels(volume, labels, regions)
    usable = np.array([len(x) >= _MIN_VOXELS and bool(np.ptp(x) > 0) for x in voxels])
    if not usable.all():
        warnings.warn(
            f"Regions {shorten(codes[~usable])} have fewer than {_MIN_VOXELS} voxels or a single "
            "intensity; their rows and columns are 0.",
            UserWarning,
            stacklevel=2,
        )
    similarity = np.zeros((len(codes), len(codes)))
    if not usable.any():
        return similarity
    samples = []
    for r in np.flatnonzero(usable):
        x = voxels[r]
        if len(x) > max_voxels:
            draw = np.random.default_rng([random_state, int(codes[r])])
            x = draw.choice(x, max_voxels, replace=False)
        samples.append(x)
    densities = _densities(samples, n_points)
    logarithms = np.log(densities)
    cross = densities @ logarithms.T
    own = np.diag(cross)
    divergence = np.maximum((own[:, None] + own) - (cross + cross.T), 0)
    similarity[np.ix_(usable, usable)] = np.exp(-divergence)
    return similarity


def regional_measures(
    volume: ArrayLike,
    labels: ArrayLike,
    *,
    regions: Sequence[int] | None = None,
    voxel_volume: float = 1.0,
) -> dict[str, np.ndarray]:
    """Measure the regions of one structural scan.

    Parameters
    ----------
    volume : array (D, H, W)
        Intensities; voxels that are not finite are left out.
    labels : array (D, H, W) of int
        The region of each voxel; 0 and below is outside.
    regions : sequence of R ints, optional
        Label values, in the order of the results; by default those that occur, sorted.
    voxel_volume : float (mm3)
        Of one voxel: the product of the image's zooms.

    Returns
    -------
    dict of arrays (R,)
        ``mean`` and ``std`` of the intensities and ``volume`` (mm3). A region without voxels
        has 0 for all three, and a warning lists it.

    Examples
    --------
    >>> regional_measures([1.0, 3.0, 8.0, 9.0], [1, 1, 2, 0], voxel_volume=8.0)
    {'mean': array([2., 8.]), 'std': array([1., 0.]), 'volume': array([16.,  8.])}
    """
    if not voxel_volume > 0:
        raise ValueError(f"voxel_volume must be above 0 mm3, got {voxel_volume}.")
    voxels, codes = _regional_voxels(volume, labels, regions)
    counts = np.array([len(x) for x in voxels])
    if not counts.all():
        warnings.warn(
            f"Regions {shorten(codes[counts == 0])} have no voxels; their measures are 0.",
            UserWarning,
            stacklevel=2,
        )
    return {
        "mean": np.array([x.mean() if len(x) else 0.0 for x in voxels]),
        "std": np.array([x.std() if len(x) else 0.0 for x in voxels]),
        "volume": counts * voxel_volume,
    }


def profile_similarity(measures: ArrayLike) -> np.ndarray:
    """Correlate the regions' profiles of morphometric measures in one subject.

    The morphometric similarity network [1]_: each measure is z-scored across the subject's
    regions, and the z-scored profiles of two regions are compared by Pearson's correlation.

    Parameters
    ----------
    measures : array (R, M)
        M >= 3 measures of each region, such as thickness, area, volume and curvature.

    Returns
    -------
    array (R, R) of float64
        Symmetric, in [-1, 1], 1 on the diagonal. Rows and columns of regions with a missing
        measure are 0, and a warning lists them, as it does measures without variance, which
        are left out.

    Raises
    ------
    ValueError
        If fewer than three measures vary across the regions.

    References
    ----------
    .. [1] Seidlitz J. et al. (2018), Morphometric similarity networks detect microscale
       cortical organization and predict inter-individual cognitive variation, Neuron
       97:231-247.

    Examples
    --------
    >>> profile_similarity([[2.5, 900, 0.1], [2.6, 950, 0.1], [3.4, 400, 0.3]]).round(2)
    array([[ 1.  ,  0.99, -1.  ],
           [ 0.99,  1.  , -1.  ],
           [-1.  , -1.  ,  1.  ]])
    """
    profiles = np.asarray(measures, dtype=np.float64)
    if profiles.ndim != 2:
        raise ValueError(
            f"measures must be (R, M), regions by measures, got shape {profiles.shape}."
        )
    known = np.isfinite(profiles).all(1)
    if not known.all():
        warnings.warn(
            f"Regions {shorten(np.flatnonzero(~known))} lack a measure; their rows and columns "
            "are 0.",
            UserWarning,
            stacklevel=2,
        )
    complete = profiles[known]
    varies = np.ptp(complete, axis=0) > 0 if len(complete) else np.zeros(0, bool)
    if varies.sum() < 3:
        raise ValueError(
            f"measures must hold at least 3 that vary across regions, got {varies.sum()} of "
            f"{profiles.shape[1]}: a correlation of two values is always -1 or 1."
        )
    if not varies.all():
        warnings.warn(
            f"Measures {shorten(np.flatnonzero(~varies))} are the same in all regions and are "
            "left out.",
            UserWarning,
            stacklevel=2,
        )
    complete = complete[:, varies]
    scores = (complete - complete.mean(0)) / complete.std(0)
    scores -= scores.mean(1, keepdims=True)
    norm = np.linalg.norm(scores, axis=1, keepdims=True)
    scores /= np.where(norm > 0, norm, 1)
    correlation = np.clip(scores @ scores.T, -1, 1)
    np.fill_diagonal(correlation, norm[:, 0] > 0)
    similarity = np.zeros((len(profiles), len(profiles)))
    similarity[np.ix_(known, known)] = correlation
    return similarity
