"""Regional mean series of a 4D scan, one volume in memory at a time."""

import gzip
import os
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nilearn.image import resample_img
from nilearn.image.resampling import BoundingBoxError

from brainograph.io.atlas import Atlas, load_atlas

try:
    from isal import igzip, isal_zlib

    _DECOMPRESSION: tuple[type[Exception], ...] = (zlib.error, isal_zlib.error)
except ImportError:  # the extra "fastio" is not installed
    igzip = None
    _DECOMPRESSION = (zlib.error,)

_BROKEN: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, *_DECOMPRESSION)

__all__ = ["extract_series", "labels_on_grid"]


@lru_cache(maxsize=8)
def _resampled(atlas: Atlas, shape: tuple[int, ...], affine: bytes) -> np.ndarray:
    target = np.frombuffer(affine).reshape(4, 4)
    if shape == atlas.labels.shape and np.allclose(target, atlas.affine):
        return atlas.labels
    image = nib.Nifti1Image(atlas.labels, atlas.affine)
    try:
        resampled = resample_img(
            image,
            target_affine=target,
            target_shape=shape,
            interpolation="nearest",
            copy_header=True,
            force_resample=True,
        )
    except BoundingBoxError:
        return np.zeros(shape, dtype=np.int32)
    return np.asanyarray(resampled.dataobj).astype(np.int32)


def labels_on_grid(atlas: Atlas, image: Any) -> np.ndarray:
    """Return the labels on the grid of an image, nearest neighbour; once per grid and process.

    Raises
    ------
    ValueError
        If no region lies inside the image.
    """
    affine = np.ascontiguousarray(image.affine, dtype=np.float64).tobytes()
    labels = _resampled(atlas, tuple(int(n) for n in image.shape[:3]), affine)
    if not labels.any():
        raise ValueError(
            f"atlas {atlas.name} does not overlap the scan: it spans {_extent(atlas)}, the scan "
            f"{_extent(image)} (mm). Both have to be in the same space, for example "
            "space='MNI152NLin2009cAsym'"
        )
    return labels


def _extent(image: Any) -> str:
    """Return the box of an image in mm, as text."""
    shape = np.array(image.labels.shape if isinstance(image, Atlas) else image.shape[:3])
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (shape - 1)
    world = nib.affines.apply_affine(image.affine, corners)
    ends = zip("xyz", world.min(axis=0), world.max(axis=0), strict=True)
    return ", ".join(f"{axis} {low:.0f} to {high:.0f}" for axis, low, high in ends)


def _stream(image: Any) -> Iterator[np.ndarray]:
    """Yield each volume of a single-file NIfTI, raw and flat, into one buffer."""
    path, n_volumes = image.get_filename(), image.shape[3]
    volume = np.empty(int(np.prod(image.shape[:3])), dtype=image.header.get_data_dtype())
    buffer: Any = memoryview(volume.view(np.uint8).data)
    opener: Any = (igzip or gzip).open if path.endswith(".gz") else open
    n_read = 0
    try:
        with opener(path, "rb") as file:
            file.read(image.dataobj.offset)
            while n_read < n_volumes:
                filled = 0
                while filled < len(buffer):
                    n_bytes = file.readinto(buffer[filled:])
                    if not n_bytes:
                        raise EOFError
                    filled += n_bytes
                yield volume
                n_read += 1
            file.read(1)  # a gzip file ends with a checksum, tested when its end is reached
    except _BROKEN as error:
        what = "truncated" if isinstance(error, EOFError) else f"damaged ({error})"
        raise ValueError(f"{what}: {n_read} of {n_volumes} volumes can be read") from error


def _volumes(image: Any) -> tuple[Iterator[np.ndarray], float, float]:
    """Return the flat volumes (Fortran order) of an image, and the scale they still need."""
    path = image.get_filename() or ""
    on_disk = isinstance(image, nib.Nifti1Image) and nib.is_proxy(image.dataobj)
    if on_disk and Path(path).is_file() and path.endswith((".nii", ".nii.gz")):
        return _stream(image), float(image.dataobj.slope), float(image.dataobj.inter)
    flat = (np.asarray(image.dataobj[..., t]).ravel(order="F") for t in range(image.shape[3]))
    return flat, 1.0, 0.0


def extract_series(
    image: str | os.PathLike[str] | nib.spatialimages.SpatialImage,
    atlas: str | os.PathLike[str] | nib.spatialimages.SpatialImage | Atlas,
) -> np.ndarray:
    """Return the mean of every region in every volume.

    The atlas is resampled to the scan, never the scan to the atlas. A ``.nii.gz`` is read as a
    stream, by isal where it is installed (``pip install "brainograph[fastio]"``); one volume is
    in memory at a time. A voxel that is not finite counts as 0, as in nilearn; a region without
    a voxel on the grid of the scan has a series of zeros.

    Parameters
    ----------
    image : path or 4D image
        The scan, (X, Y, Z, T).
    atlas : path, image or Atlas
        The labels.

    Returns
    -------
    float64 array (T, R)
        In the order of the regions of :func:`~brainograph.io.load_atlas`: ascending labels.

    Raises
    ------
    ValueError
        If the scan is not 4D, is truncated or damaged, or if the atlas lies outside it.

    Examples
    --------
    >>> labels = nib.Nifti1Image(np.array([[[1, 1, 2]]], dtype=np.int16), np.eye(4))
    >>> scan = np.array([[[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]])
    >>> extract_series(nib.Nifti1Image(scan, np.eye(4)), labels)
    array([[2., 5.],
           [3., 6.]])
    """
    atlas = load_atlas(atlas)
    scan: Any = nib.load(image) if isinstance(image, (str, os.PathLike)) else image
    if scan.ndim != 4:
        raise ValueError(f"a 4D scan is needed, this one has shape {tuple(map(int, scan.shape))}")
    labels = labels_on_grid(atlas, scan).ravel(order="F")
    voxels = np.flatnonzero(labels)
    voxels = voxels[np.argsort(labels[voxels], kind="stable")]
    present, starts, counts = np.unique(labels[voxels], return_index=True, return_counts=True)
    columns = np.searchsorted(atlas.regions["label"].to_numpy(), present)
    volumes, slope, inter = _volumes(scan)
    series = np.zeros((scan.shape[3], len(atlas.regions)))
    for t, volume in enumerate(volumes):
        values = volume.take(voxels)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            values = np.where(np.isfinite(values), values, -inter / slope)
        series[t, columns] = np.add.reduceat(values, starts, dtype=np.float64)
    series[:, columns] = slope * series[:, columns] / counts + inter
    return series
