"""Image files to arrays that a network can read: one orientation, grid, mask and scale."""

import hashlib
import json
import os
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import nibabel as nib
import numpy as np
from nilearn.image import resample_img
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from brainograph.files import json_text, write_array, write_json

__all__ = ["Volumes", "open_volume"]

Normalize = Literal["zscore", "percentile", "histogram", "none"]
Centre = Literal["grid", "brain"]

_FORMAT = 2  # of the cache: a change of what is computed needs another number
_PERCENTILES = (1, 99)
_LOST = 0.01  # share of the brain that a crop may cut off without a warning


def open_volume(path: str | os.PathLike[str]) -> Any:
    """Open a 3D image with nibabel and look at its header.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no image, is not 3D, or has no valid affine.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no image {path}. Correct the path in cohort.images.")
    try:
        image: Any = nib.load(path)
    except Exception as error:  # nibabel raises what its formats raise
        raise ValueError(
            f"{path} cannot be opened as an image ({error}). Copy it anew from where it came from, "
            "or leave the participant out."
        ) from error
    shape = tuple(int(n) for n in image.shape)
    if len(shape) == 4 and shape[3] == 1:
        image, shape = image.slicer[..., 0], shape[:3]
    if len(shape) != 3 or min(shape) < 2:
        raise ValueError(
            f"{path}: a 3D volume is needed, this one has shape {shape}. Of a 4D scan give its "
            "mean: nilearn.image.mean_img(path)."
        )
    if not np.isfinite(image.affine).all() or np.linalg.matrix_rank(image.affine[:3, :3]) < 3:
        raise ValueError(
            f"{path}: the header has no valid affine (voxel to mm). Convert the image anew from "
            "its source."
        )
    return image


@dataclass(frozen=True)
class Volumes:
    r"""How image files become arrays of one grid: settings, and :meth:`read`.

    An image is turned to RAS (first axis to the right, second to the front, third up), smoothed
    as far as a coarser grid needs (a Gaussian of half as many voxels as the voxels grow by,
    against aliasing), interpolated linearly, masked, and cropped or padded with zeros around its
    centre. Intensities are normalised within the participant: nothing is learnt across people.

    Parameters
    ----------
    spacing : float or (3,) floats, mm, optional
        Size of a voxel. ``None`` keeps that of each file, and its axes if they are oblique.
    shape : (3,) ints, optional
        Voxels (D, H, W) to the right, front and top. ``None`` keeps what the file covers.
    mask : {"auto"}, path or None
        The brain. ``"auto"`` is what is not zero where the border of the image is (a stripped
        skull, a map), else what is brighter than Otsu's threshold [1]_, which in a T1 includes the
        skull; a path is an image whose voxels above one half are inside, in the space of the
        images. Outside is 0. ``None`` masks nothing.
    normalize : {"zscore", "percentile", "histogram", "none"}
        Over the mask: mean 0 and deviation 1; the 1st to the 99th percentile to 0 to 1, clipped;
        the share of voxels that are darker (histogram equalisation), in (0, 1); or nothing.
    centre : {"grid", "brain"}
        What is cropped around: the middle of the image, which keeps images in a common space
        aligned; or of the mask's box, for images in native space.
    cache : path, optional
        Folder that keeps what was computed, once for each file (path, size, time of change) and
        setting, as ``.npy`` that is opened memory-mapped. Several processes may fill it at once.

    Raises
    ------
    ValueError
        For settings outside their range.

    References
    ----------
    .. [1] Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on
           Systems, Man, and Cybernetics, 1979.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t1.nii"
    >>> data = np.pad(np.arange(64.0).reshape(4, 4, 4), 2)
    >>> nib.save(nib.Nifti1Image(data, np.diag([-2.0, 2, 2, 1])), path)
    >>> volumes = Volumes(spacing=2.0, shape=(6, 6, 6))
    >>> volumes.read(path).shape, volumes.record(path)["orientation"]
    ((6, 6, 6), 'LAS')
    >>> Volumes(**volumes.settings()) == volumes
    True
    """

    spacing: float | tuple[float, float, float] | None = 2.0
    shape: tuple[int, int, int] | None = (96, 112, 96)
    mask: str | os.PathLike[str] | None = "auto"
    normalize: Normalize = "zscore"
    centre: Centre = "grid"
    cache: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        for name, kind in (("spacing", float), ("shape", int)):
            value = getattr(self, name)
            if isinstance(value, (list, tuple, np.ndarray)):
                object.__setattr__(self, name, tuple(kind(one) for one in value))
        for name in ("mask", "cache"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, os.fspath(getattr(self, name)))
        _check(self)

    def settings(self) -> dict[str, Any]:
        """Return the settings as JSON or YAML take them; ``Volumes(**params)`` is the same."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def read(self, path: str | os.PathLike[str]) -> np.ndarray:
        """Return one image as an array.

        Parameters
        ----------
        path : path
            NIfTI, MGH and whatever else nibabel opens; 3D.

        Returns
        -------
        array (D, H, W) of float32
            Read-only and memory-mapped where there is a cache.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is broken, not 3D, constant, or has nothing in its mask; it names the file and
            says what to do.
        """
        if self.cache is None:
            return _prepare(self, path)[0]
        return np.load(self._cached(path).with_suffix(".npy"), mmap_mode="r")

    def record(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Return what was done to an image.

        Returns
        -------
        dict
            ``orientation``, ``shape`` and ``spacing`` (mm) of the file, whether it was
            ``resampled``, the share of voxels in the ``mask``, the share of the mask that was
            ``cropped`` off, how many voxels were ``not_finite`` (they count as outside), and the
            ``affine`` of the array (voxel to mm).
        """
        if self.cache is None:
            return _prepare(self, path)[1]
        return json.loads(self._cached(path).with_suffix(".json").read_text(encoding="utf-8"))

    def _cached(self, path: str | os.PathLike[str]) -> Path:
        """Return where an image is cached, without suffix, once it is there."""
        target = Path(self.cache or ".") / self._key(path)
        if not target.with_suffix(".npy").is_file():
            array, record = _prepare(self, path)
            write_json(record, target.with_suffix(".json"))
            write_array(array, target.with_suffix(".npy"))  # last: it says that both are there
        return target

    def _key(self, path: str | os.PathLike[str]) -> str:
        """Return what changes with the file, the mask's file and the settings."""
        files = [_identity(path)]
        if self.mask not in ("auto", None):
            files.append(_identity(self.mask))
        facts = [_FORMAT, replace(self, cache=None).settings(), files]
        return hashlib.sha256(json_text(facts).encode()).hexdigest()[:32]


def _check(volumes: Volumes) -> None:
    for name, allowed in (("normalize", Normalize), ("centre", Centre)):
        if getattr(volumes, name) not in get_args(allowed):
            raise ValueError(
                f"{name} must be one of {get_args(allowed)}, got {getattr(volumes, name)!r}."
            )
    spacing, shape = volumes.spacing, volumes.shape
    if spacing is not None and (np.size(spacing) not in (1, 3) or not np.min(spacing) > 0):
        raise ValueError(
            f"spacing must be one or three lengths in mm above 0, or None, got {spacing}. For "
            "2 mm write spacing=2.0."
        )
    if shape is not None and (np.size(shape) != 3 or np.ndim(shape) != 1 or np.min(shape) < 1):
        raise ValueError(
            f"shape must be three numbers of voxels, or None, got {shape}. For MNI space at 2 mm "
            "write shape=(96, 112, 96)."
        )
    if volumes.centre == "brain" and volumes.mask is None:
        raise ValueError('centre="brain" needs a mask. Write mask="auto" or centre="grid".')


def _identity(path: str | os.PathLike[str]) -> tuple[str, int, int]:
    """Return what changes when a file does."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no image {path}. Correct the path in cohort.images.")
    facts = os.stat(path)
    return str(Path(path).resolve()), facts.st_size, facts.st_mtime_ns


def _prepare(volumes: Volumes, path: str | os.PathLike[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the array (D, H, W) and the record of one image."""
    image = open_volume(path)
    record = {
        "file": str(path),
        "orientation": "".join(nib.aff2axcodes(image.affine)),
        "shape": [int(n) for n in image.shape],
        "spacing": np.round(nib.affines.voxel_sizes(image.affine), 4).tolist(),
    }
    image, not_finite = _finite(image, path)
    grid = _on_spacing(image, volumes.spacing)
    inside = _mask(volumes.mask, image, grid, path)
    values = grid.get_fdata(dtype=np.float32)
    if volumes.mask is not None:
        values = np.where(inside, values, np.float32(0))
    if not inside.any():
        raise ValueError(
            f"{path}: the mask {volumes.mask} is empty. Write mask=None to use every voxel, or "
            "give a mask image in the space of the images."
        )
    n_inside = inside.sum()
    share = n_inside / inside.size
    first = np.zeros(3, dtype=int)
    if volumes.shape is not None:
        middle = _middle(inside) if volumes.centre == "brain" else (np.array(inside.shape) - 1) / 2
        first = np.floor(middle - (np.array(volumes.shape) - 1) / 2 + 0.5).astype(int)
        values, inside = (_fit(one, volumes.shape, first) for one in (values, inside))
    lost = 0.0 if volumes.mask is None else 1 - inside.sum() / n_inside
    _check_lost(lost, volumes, path)
    if volumes.mask is None:
        inside = np.ones_like(inside)
    record |= {
        "resampled": grid is not image,
        "mask": round(float(share), 4),
        "cropped": round(float(lost), 4),
        "not_finite": not_finite,
        "affine": (grid.affine @ nib.affines.from_matvec(np.eye(3), first)).tolist(),
    }
    return _normalized(values, inside, volumes.normalize, path), record


def _finite(image: Any, path: str | os.PathLike[str]) -> tuple[Any, int]:
    """Read an image as RAS, with 0 where it is not finite; return how many voxels those are."""
    try:
        image = nib.as_closest_canonical(image)
        data = np.asarray(image.dataobj, dtype=np.float32)
    except Exception as error:  # gzip, zlib and nibabel each have their own
        raise ValueError(
            f"{path} cannot be read to its end ({error}). Copy it anew from where it came from, or "
            "leave the participant out."
        ) from error
    finite = np.isfinite(data)
    if not finite.all():
        data = np.where(finite, data, np.float32(0))
    if data.min() == data.max():
        raise ValueError(
            f"{path} has the value {data.min():g} in all voxels. Leave the participant out."
        )
    return nib.Nifti1Image(data, image.affine), int((~finite).sum())


def _on_spacing(image: Any, spacing: float | tuple[float, float, float] | None) -> Any:
    """Return a RAS image on upright voxels of some size; the same one if it is there already."""
    if spacing is None:
        return image
    target = np.diag(np.broadcast_to(np.asarray(spacing, dtype=float), 3))
    if np.allclose(image.affine[:3, :3], target, atol=1e-4):
        return image
    ratio = np.diag(target) / nib.affines.voxel_sizes(image.affine)
    data = gaussian_filter(image.get_fdata(dtype=np.float32), np.maximum(0, (ratio - 1) / 2))
    return resample_img(
        nib.Nifti1Image(data, image.affine), target_affine=target, interpolation="linear"
    )


def _mask(
    mask: str | os.PathLike[str] | None, image: Any, grid: Any, path: str | os.PathLike[str]
) -> np.ndarray:
    """Return which voxels of the grid are inside (D, H, W), bool."""
    if mask is None:
        return np.ones(grid.shape, dtype=bool)
    if mask == "auto":
        brain = np.asarray(image.dataobj) != 0
        if _border(brain).mean() > 0.1:
            values = np.asarray(grid.dataobj)
            return values > _otsu(values)
        if grid is image:
            return brain
        whole = nib.Nifti1Image(brain.astype(np.float32), image.affine)
    else:
        whole = _finite(open_volume(mask), mask)[0]
    there = resample_img(
        whole, target_affine=grid.affine, target_shape=grid.shape, interpolation="nearest"
    ).get_fdata()
    if not there.any():
        raise ValueError(
            f"the mask {mask} does not overlap {path}: they are not in the same space. Give a mask "
            'in the space of the images, or write mask="auto".'
        )
    return there > 0.5


def _otsu(values: np.ndarray) -> float:
    """Return the threshold between two groups of values that differ most for their spread."""
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1] / counts.sum()
    mean = np.cumsum(counts * centres) / counts.sum()
    between = (mean[-1] * below - mean[:-1]) ** 2 / (below * (1 - below))
    return float(centres[between.argmax()])


def _border(volume: np.ndarray) -> np.ndarray:
    """Return the values on the six faces."""
    return np.concatenate([np.take(volume, [0, -1], axis=i).ravel() for i in range(3)])


def _middle(inside: np.ndarray) -> np.ndarray:
    """Return the middle of the box around a mask, in voxels (3,)."""
    where = np.argwhere(inside)
    return (where.min(axis=0) + where.max(axis=0)) / 2


def _fit(volume: np.ndarray, shape: tuple[int, ...], first: np.ndarray) -> np.ndarray:
    """Cut a volume, or fill it up with zeros, to a shape that begins at a voxel."""
    fitted = np.zeros(shape, dtype=volume.dtype)
    low, high = np.maximum(first, 0), np.minimum(first + shape, volume.shape)
    if (low < high).all():
        taken = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        put = tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))
        fitted[put] = volume[taken]
    return fitted


def _check_lost(lost: float, volumes: Volumes, path: str | os.PathLike[str]) -> None:
    """Say when a crop takes off some of the brain."""
    if lost <= _LOST:
        return
    text = (
        f"{path}: shape={volumes.shape} at spacing={volumes.spacing} cuts off {lost:.0%} of the "
        'mask. Choose a larger shape, or centre="brain".'
    )
    if lost == 1:
        raise ValueError(text)
    warnings.warn(text, stacklevel=2)


def _normalized(
    values: np.ndarray, inside: np.ndarray, normalize: Normalize, path: str | os.PathLike[str]
) -> np.ndarray:
    """Return the values with those of the mask on a common scale, as float32."""
    brain = values[inside].astype(np.float64)
    if brain.min() == brain.max():
        raise ValueError(
            f"{path} has the value {brain.min():g} all over its mask. Leave the participant out, "
            "or give another mask."
        )
    if normalize == "zscore":
        brain = (brain - brain.mean()) / brain.std()
    elif normalize == "percentile":
        low, high = np.percentile(brain, _PERCENTILES)
        if low == high:
            raise ValueError(
                f"{path}: nearly all voxels of the mask have the value {low:g}, so that its 1st "
                'and 99th percentile are the same. Write normalize="zscore".'
            )
        brain = ((brain - low) / (high - low)).clip(0, 1)
    elif normalize == "histogram":
        brain = (rankdata(brain) - 0.5) / len(brain)
    normalized = np.array(values, dtype=np.float32)
    normalized[inside] = brain
    return normalized
