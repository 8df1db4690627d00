"""Atlases: a label image and the table of its regions."""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn import datasets

__all__ = ["Atlas", "load_atlas"]

_SCHAEFER = [f"schaefer_{n}" for n in range(100, 1001, 100)]
_NAMED = ["aal", "destrieux", "harvard_oxford_cortical", "harvard_oxford_subcortical", *_SCHAEFER]


@dataclass(frozen=True, eq=False)
class Atlas:
    """A label image and its regions; two atlases with the same labels are equal.

    Parameters
    ----------
    name : str
        The atlas, for provenance.
    labels : int32 array (X, Y, Z)
        The region of each voxel, 0 for none.
    affine : array (4, 4)
        Voxel to world, in mm.
    regions : DataFrame (R, .)
        Indexed by region name: ``label``, centroid ``x``, ``y``, ``z`` in mm, ``hemisphere``
        ("L" or "R" if at least 75 % of the region lies there).
    """

    name: str
    labels: np.ndarray
    affine: np.ndarray
    regions: pd.DataFrame

    @cached_property
    def digest(self) -> str:
        """SHA-256 of labels, affine and region names."""
        digest = hashlib.sha256(np.ascontiguousarray(self.labels).tobytes())
        digest.update(np.asarray(self.affine, dtype=np.float64).tobytes())
        digest.update("\t".join(map(str, self.regions.index)).encode())
        return digest.hexdigest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atlas) and self.digest == other.digest


def _fetch(name: str) -> tuple[Any, pd.DataFrame]:
    """Download an atlas by name through nilearn: its maps and its table of index and name."""
    try:
        if name == "aal":
            atlas = datasets.fetch_atlas_aal()
        elif name == "destrieux":
            atlas = datasets.fetch_atlas_destrieux_2009()
        elif name.startswith("harvard_oxford"):
            part = "cort" if name.endswith("_cortical") else "sub"
            atlas = datasets.fetch_atlas_harvard_oxford(f"{part}-maxprob-thr25-2mm")
        else:
            atlas = datasets.fetch_atlas_schaefer_2018(n_rois=int(name.removeprefix("schaefer_")))
    except Exception as error:
        raise OSError(
            f"The atlas {name!r} could not be downloaded ({error}). Connect to the internet once, "
            "or give a label image: atlas='PATH.nii.gz', atlas_names='PATH.tsv'."
        ) from error
    return atlas.maps, atlas.lut


def read_names(path: str | os.PathLike[str]) -> pd.DataFrame:
    table = pd.read_csv(path, sep="," if str(path).endswith(".csv") else "\t")
    table.columns = table.columns.str.lower().str.strip()
    table = table.rename(columns={"label": "name"} if "name" not in table else {})
    if not {"index", "name"} <= set(table.columns):
        raise ValueError(
            f"{path} needs the columns index and name, it has {', '.join(table.columns)}. "
            "Write one row for each label of the atlas, as BIDS *_dseg.tsv files do."
        )
    return table


def _region_names(labels: np.ndarray, table: pd.DataFrame | None) -> list[str]:
    """Name every label; one without a name is ``ROI_<label>``, a repeated name gets its label."""
    given = {} if table is None else dict(zip(table["index"], table["name"], strict=True))
    names = [str(given.get(label, f"ROI_{label}")) for label in labels.tolist()]
    return [
        f"{name}_{label}" if names.count(name) > 1 else name
        for name, label in zip(names, labels.tolist(), strict=True)
    ]


def _describe(volume: np.ndarray, affine: np.ndarray, names: pd.DataFrame | None) -> pd.DataFrame:
    """Return the regions of a label volume, with centroids and hemispheres."""
    voxels = np.nonzero(volume)
    labels, place = np.unique(volume[voxels], return_inverse=True)
    counts = np.bincount(place)
    world = np.stack(voxels, axis=1) @ affine[:3, :3].T + affine[:3, 3]
    centroids = np.stack([np.bincount(place, axis) for axis in world.T], axis=1) / counts[:, None]
    left = np.bincount(place, world[:, 0] < 0) / counts
    right = np.bincount(place, world[:, 0] > 0) / counts
    table = pd.DataFrame(centroids.round(2), columns=["x", "y", "z"])
    table.insert(0, "label", labels)
    table["hemisphere"] = np.select([left >= 0.75, right >= 0.75], ["L", "R"], default="")
    table["hemisphere"] = table["hemisphere"].where(table["hemisphere"] != "")
    return table.set_axis(pd.Index(_region_names(labels, names), name="region"))


def load_atlas(
    atlas: str | os.PathLike[str] | nib.spatialimages.SpatialImage | Atlas,
    *,
    names: str | os.PathLike[str] | None = None,
) -> Atlas:
    """Open an atlas: a label image, or a name that nilearn knows.

    Parameters
    ----------
    atlas : path, image or str
        A 3D image of integer labels, 0 for none; or ``aal``, ``destrieux``,
        ``harvard_oxford_cortical``, ``harvard_oxford_subcortical``, ``schaefer_100`` to
        ``schaefer_1000``, downloaded by nilearn.
    names : path, optional
        TSV or CSV with the columns ``index`` and ``name``. Labels it lacks are ``ROI_<label>``.

    Returns
    -------
    Atlas
        Labels and the table of regions.

    Raises
    ------
    ValueError
        If the image is not 3D, has no labels, or labels that are not integers.
    FileNotFoundError
        If there is no such file and no such name.

    Examples
    --------
    >>> labels = np.zeros((4, 3, 3), dtype=np.int16)
    >>> labels[0], labels[3] = 1, 2
    >>> affine = np.array([[2.0, 0, 0, -3], [0, 2, 0, -2], [0, 0, 2, -2], [0, 0, 0, 1]])
    >>> load_atlas(nib.Nifti1Image(labels, affine)).regions
            label    x    y    z hemisphere
    region
    ROI_1       1 -3.0  0.0  0.0          L
    ROI_2       2  3.0  0.0  0.0          R
    """
    if isinstance(atlas, Atlas):
        return atlas
    table = None if names is None else read_names(names)
    name: str = "image"
    image: Any = atlas
    if isinstance(atlas, (str, os.PathLike)):
        name = Path(atlas).name.split(".")[0]
        if Path(atlas).is_file():
            image = nib.load(atlas)
        elif str(atlas) in _NAMED:
            image, lut = _fetch(str(atlas))
            image = nib.load(image) if isinstance(image, (str, os.PathLike)) else image
            table = lut if table is None else table
        else:
            raise FileNotFoundError(
                f"atlas {str(atlas)!r} is neither a file nor one of {', '.join(_NAMED[:4])}, "
                "schaefer_100 ... schaefer_1000. Give the path of a label image."
            )
    volume = np.asanyarray(image.dataobj)
    volume = volume[..., 0] if volume.ndim == 4 and volume.shape[3] == 1 else volume
    if volume.ndim != 3:
        raise ValueError(
            f"atlas {name} has shape {volume.shape}, needed is one 3D image of labels. "
            "Probabilistic (4D) atlases have to be turned into labels first."
        )
    labels = np.nan_to_num(volume).astype(np.int32)
    if not labels.any() or np.any(labels != np.nan_to_num(volume)):
        raise ValueError(
            f"atlas {name} must hold integer labels, 0 for none; it has values from "
            f"{volume.min():g} to {volume.max():g}. Give a label image, not a map."
        )
    return Atlas(name, labels, image.affine, _describe(labels, image.affine, table))
