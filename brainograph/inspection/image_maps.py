"""What a network saw in an image: maps in the space of that image."""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from nilearn.image import resample_img
from scipy.ndimage import mean as mean_of_labels
from torch import Tensor, nn

from brainograph.cohort import Cohort
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.inspection.attribution import captum_explainer
from brainograph.inspection.opening import Model, open_model
from brainograph.inspection.subject_view import Logits
from brainograph.inspection.view import View, chosen_classes, margin
from brainograph.io.atlas import Atlas, load_atlas
from brainograph.io.extraction import labels_on_grid

__all__ = ["ImageMethod", "map_images", "map_regions", "save_maps"]

ImageMethod = Literal["gradcam", "gradcam++", "integrated_gradients", "saliency"]


def map_images(
    model: Model,
    cohort: Cohort,
    *,
    image: str | None = None,
    method: ImageMethod = "gradcam",
    layer: str | None = None,
    target: object | None = None,
    n_steps: int = 16,
) -> dict[str, nib.Nifti1Image]:
    r"""Return where in each participant's image a network saw its evidence.

    Grad-CAM [1]_ weighs the feature maps :math:`A^c` of a layer by their gradients,

    .. math:: \mathrm{ReLU}\Big(\sum_c \alpha_c A^c\Big), \qquad
              \alpha_c = \mathrm{mean}_v \, \partial F / \partial A^c_v

    and Grad-CAM++ [2]_ by their positive gradients, each voxel by its share. MONAI computes both,
    captum integrated gradients (from an image of zeros) and saliency.

    Parameters
    ----------
    model : fitted estimator
        Of a network that reads images.
    cohort : Cohort (S)
        With the images; a participant without one is left out.
    image : str, optional
        Which of the images that are read; the first by default.
    method : {"gradcam", "gradcam++", "integrated_gradients", "saliency"}
        The first two need feature maps, which networks of slices and some transformers lack.
    layer : str, optional
        Name of a module of the network with feature maps (B, C, D, H, W), as
        ``named_modules()`` has it; the last one that the image goes through by default.
    target : label, optional
        The class to explain; by default the second of two, or the predicted one of several.
    n_steps : int
        Of integrated gradients.

    Returns
    -------
    dict of participant_id to Nifti1Image
        float32, on the voxels of the participant's own image and with its affine; the header has
        nothing else. The mean over the members of the model.

    Raises
    ------
    ValueError
        If the network reads no such image, or has no such feature maps.

    References
    ----------
    .. [1] Selvaraju, R. R. et al. (2017). Grad-CAM: visual explanations from deep networks via
       gradient-based localization. ICCV.
    .. [2] Chattopadhay, A. et al. (2018). Grad-CAM++: generalized gradient-based visual
       explanations for deep convolutional networks. WACV.
    """
    if method not in get_args(ImageMethod):
        raise ValueError(f"method must be one of {get_args(ImageMethod)}, got {method!r}.")
    codes = chosen_classes(model, cohort, target)
    total: dict[int, np.ndarray] = {}
    members = open_model(model, cohort)
    name = ""
    for views in members:
        for view in views:
            name = _image_read(view, image)
            for position in np.flatnonzero(_has(view, name)):
                row = int(view.rows[position])
                found = _map(view, name, int(position), int(codes[row]), method, layer, n_steps)
                total[row] = total.get(row, 0) + found / len(members)
    paths = cohort.images[name.removeprefix("images/")]
    return {
        cohort.participant_ids[row]: _in_own_space(values, paths.iloc[row], model)
        for row, values in total.items()
    }


def _image_read(view: View, image: str | None) -> str:
    """Return the name of the image, as the network's ``reads`` have it."""
    there = [name for name in view.reads if name.startswith("images/")]
    if not there or not isinstance(view.logits, Logits):
        raise ValueError(
            f"the model reads {list(view.reads)} and no image. Write attribute(model, cohort)."
        )
    name = there[0] if image is None else f"images/{image}"
    if name not in there:
        raise ValueError(f"the model reads the images {there}, got image={image!r}.")
    return name


def _has(view: View, name: str) -> np.ndarray:
    """Return who has an image (B,)."""
    said: Any = view.logits
    return said.batch.has(name).cpu().numpy()


def _map(
    view: View,
    name: str,
    position: int,
    code: int,
    method: ImageMethod,
    layer: str | None,
    n_steps: int,
) -> np.ndarray:
    """Return the map (D, H, W) of one participant on the voxels that the network reads."""
    rows = torch.tensor([position])
    image = view.of(name, rows).detach().clone().requires_grad_()
    if method == "gradcam" or method == "gradcam++":
        from monai.visualize import GradCAM, GradCAMpp  # four seconds

        network = _OfImage(view, name, rows)
        explainer = {"gradcam": GradCAM, "gradcam++": GradCAMpp}[method](
            nn_module=network,
            target_layers=_layer(network, image, layer),
            postprocessing=lambda found: found,
        )
        return explainer(image, class_idx=code)[0, 0].detach().cpu().numpy()
    options: dict[str, Any] = {}
    if method == "integrated_gradients":
        options = {"n_steps": n_steps, "internal_batch_size": 1}
    found = captum_explainer(view, [name], method).attribute(
        image, additional_forward_args=(rows, torch.tensor([code])), **options
    )
    return found[0, 0].detach().cpu().numpy()


class _OfImage(nn.Module):
    """A network as a function of one image of one participant, for hooks to be put into."""

    def __init__(self, view: View, name: str, rows: Tensor) -> None:
        super().__init__()
        said: Any = view.logits
        self.network = copy.deepcopy(said.network)
        self.logits = Logits(self.network, said.batch, said.reads, said.say)
        self.others = {other: view.of(other, rows) for other in view.reads if other != name}
        self.name, self.rows = name, rows

    def forward(self, image: Tensor) -> Tensor:
        """Return the margin of each class (1, K)."""
        logits = self.logits({**self.others, self.name: image}, self.rows)
        classes = torch.arange(logits.shape[1], device=logits.device)
        return margin(logits.expand(len(classes), -1), classes)[None]


def _layer(network: _OfImage, image: Tensor, wanted: str | None) -> str:
    """Return the module whose feature maps are weighed: the last one that the image reaches."""
    there: list[str] = []

    def note(name: str) -> Any:
        def hook(module: nn.Module, given: Any, said: Any) -> None:
            maps = isinstance(said, Tensor) and said.ndim == 5 and said.requires_grad
            if maps and said[0, 0].numel() > 1:
                there.append(name)

        return hook

    hooks = [m.register_forward_hook(note(n)) for n, m in network.named_modules() if n]
    network.requires_grad_(False)  # what needs a gradient now depends on the image
    network(image)
    network.requires_grad_(True)
    for hook in hooks:
        hook.remove()
    names = [name.removeprefix("network.") for name in there]
    if wanted is not None and wanted not in names:
        raise ValueError(f"layer must be one of the modules with feature maps, {names}.")
    if not names:
        raise ValueError(
            "the network makes no feature maps (B, C, D, H, W) of the image. Write "
            'method="integrated_gradients" or method="saliency".'
        )
    return f"network.{names[-1] if wanted is None else wanted}"


def _in_own_space(values: np.ndarray, path: str, model: Model) -> nib.Nifti1Image:
    """Return a map on the voxels of the image that it was made of, with an empty header."""
    own: Any = nib.load(path)
    *_, inner = unwrapped(model)
    volumes = getattr(inner, "volumes", None)
    values = np.ascontiguousarray(values, dtype=np.float32)
    if volumes is None:  # the network reads the file's voxels, turned to RAS
        ras = nib.as_closest_canonical(own).affine
        turn = nib.orientations.ornt_transform(*map(nib.io_orientation, (ras, own.affine)))
        found = nib.Nifti1Image(values, ras).as_reoriented(turn)
    else:
        grid = np.array(volumes.record(path)["affine"])
        found = resample_img(
            nib.Nifti1Image(values, grid),
            target_affine=own.affine,
            target_shape=own.shape[:3],
            interpolation="linear",
        )
    bare = nib.Nifti1Image(np.asarray(found.dataobj, dtype=np.float32), own.affine)
    bare.header.set_xyzt_units("mm")
    if isinstance(own.header, nib.Nifti1Header):
        bare.set_sform(own.affine, code=int(own.header["sform_code"]) or 2)
    return bare


def save_maps(
    maps: Mapping[str, nib.Nifti1Image], folder: str | os.PathLike[str], *, suffix: str = "gradcam"
) -> list[Path]:
    """Write maps as ``PARTICIPANT_SUFFIX.nii.gz``.

    Parameters
    ----------
    maps : mapping of participant_id to image
        Of :func:`map_images`.
    folder : path
        Made if it is not there.
    suffix : str
        End of the file names.

    Raises
    ------
    ValueError
        If an identifier cannot be the name of a file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, image in maps.items():
        if Path(name).name != name or name in (".", ".."):
            raise ValueError(f"the participant {name!r} cannot name a file. Rename them.")
        paths.append(folder / f"{name}_{suffix}.nii.gz")
        nib.save(image, paths[-1])
    return paths


def map_regions(
    maps: Mapping[str, nib.Nifti1Image], atlas: str | os.PathLike[str] | Atlas
) -> pd.DataFrame:
    """Average maps over the regions of an atlas.

    Parameters
    ----------
    maps : mapping of participant_id to image
        Of :func:`map_images`.
    atlas : path, str or Atlas
        In the space of the images, as for :func:`~brainograph.io.load_atlas`.

    Returns
    -------
    DataFrame
        ``participant_id``, ``region`` and ``importance``.
    """
    known = load_atlas(atlas)
    names = known.regions.index.tolist()
    codes = known.regions["label"].to_numpy()
    tables = []
    for participant, image in maps.items():
        values = mean_of_labels(image.get_fdata(), labels_on_grid(known, image), codes)
        table = {"participant_id": participant, "region": names, "importance": values}
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)
