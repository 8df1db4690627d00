"""Pictures of importances: on the brain, in a circle, in order."""

import os
from typing import Any, Literal, get_args

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from nilearn import plotting
from nilearn.datasets import load_fsaverage
from nilearn.surface import vol_to_surf

from brainograph.inspection.importances import places_of, summarize
from brainograph.inspection.style import GREY, MAIN, OTHERS, around, new_axes, plain, tidy
from brainograph.io.atlas import Atlas, load_atlas

__all__ = ["plot_chord", "plot_ranking", "plot_regions"]

Where = Literal["markers", "slices", "surface"]


def plot_regions(
    table: pd.DataFrame,
    regions: pd.DataFrame,
    *,
    where: Where = "markers",
    atlas: str | os.PathLike[str] | Atlas | None = None,
    title: str | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw the importance of regions on a brain.

    Parameters
    ----------
    table : DataFrame
        Importances by ``region``; their sizes are averaged over participants.
    regions : DataFrame (R, .)
        ``cohort.regions``; with ``x``, ``y``, ``z`` in MNI millimetres for markers.
    where : {"markers", "slices", "surface"}
        Dots on a glass brain; regions filled on slices of the MNI152 template; or on fsaverage's
        inflated cortex. The last two need the atlas. Nothing is downloaded.
    atlas : path, str or Atlas, optional
        As for :func:`~brainograph.io.load_atlas`; the column ``label`` of ``regions`` says which
        value of the image a region has.
    title : str, optional
        Text above the brain.
    figure : Figure, optional
        Where to draw.

    Returns
    -------
    Figure
        Light is little and dark is much, in grey as well.

    Raises
    ------
    ValueError
        If coordinates or the atlas are missing.
    """
    if where not in get_args(Where):
        raise ValueError(f"where must be one of {get_args(Where)}, got {where!r}.")
    found = summarize(table).set_index("region")["importance"]
    values = found.reindex(regions.index).fillna(0.0)
    if figure is None:
        figure = plt.figure(figsize=(7, 5) if where == "surface" else (9, 2.8))
    if where == "markers":
        _draw_markers(values, regions, figure, title)
        return figure
    if atlas is None:
        raise ValueError(f"where={where!r} fills regions and needs their image: atlas=PATH.")
    image = _filled(values, regions, load_atlas(atlas))
    largest = float(values.max()) or 1.0
    if where == "slices":
        plotting.plot_stat_map(
            image,
            figure=figure,
            title=None if title is None else plain(title),
            display_mode="z",
            cut_coords=7,
            cmap="YlOrRd",
            vmin=0,
            vmax=largest,
            threshold=1e-12,
            black_bg=False,
            annotate=True,
        )
        return figure
    _draw_surface(image, figure, largest, title)
    return figure


def _draw_markers(
    values: pd.Series, regions: pd.DataFrame, figure: Figure, title: str | None
) -> None:
    """Draw a dot for each region that has coordinates; larger and darker is more important."""
    if missing := [name for name in "xyz" if name not in regions]:
        raise ValueError(
            f"regions need the columns x, y, z in MNI mm, {missing} are missing. Add them, or give "
            'an atlas: where="slices", atlas=PATH.'
        )
    placed = regions[["x", "y", "z"]].notna().all(axis=1).to_numpy()
    shown = values.to_numpy()[placed]
    largest = float(shown.max()) or 1.0
    plotting.plot_markers(
        shown,
        regions.loc[placed, ["x", "y", "z"]].to_numpy(float),
        node_size=4 + 90 * shown / largest,
        node_cmap="YlOrRd",
        node_vmin=0,
        node_vmax=largest,
        node_kwargs={"edgecolors": "#333333", "linewidths": 0.4},
        figure=figure,
        title=None if title is None else plain(title),
        colorbar=True,
    )


def _filled(values: pd.Series, regions: pd.DataFrame, atlas: Atlas) -> nib.Nifti1Image:
    """Return the atlas with the importance of each region in its voxels."""
    labels = np.asarray(atlas.labels, dtype=int)
    codes = regions["label"].to_numpy(int) if "label" in regions else None
    if codes is None:
        codes = atlas.regions["label"].reindex(regions.index).fillna(-1).to_numpy(int)
    lookup = np.zeros(max(int(labels.max()), int(codes.max())) + 1, dtype=np.float32)
    lookup[codes[codes >= 0]] = values.to_numpy()[codes >= 0]
    lookup[0] = 0
    return nib.Nifti1Image(lookup[np.clip(labels, 0, None)], atlas.affine)


def _draw_surface(
    image: nib.Nifti1Image, figure: Figure, largest: float, title: str | None
) -> None:
    """Draw both hemispheres from both sides."""
    meshes = {kind: load_fsaverage("fsaverage5")[kind] for kind in ("pial", "inflated")}
    for place, (side, view) in enumerate(
        [("left", "lateral"), ("right", "lateral"), ("left", "medial"), ("right", "medial")]
    ):
        corner = (0.45 * (place % 2), 0.46 * (1 - place // 2), 0.45, 0.48)
        axes: Any = figure.add_axes(corner, projection="3d")
        values = vol_to_surf(
            image, meshes["pial"].parts[side], interpolation="nearest_most_frequent"
        )
        plotting.plot_surf_stat_map(
            meshes["inflated"].parts[side],
            values,
            hemi=side,
            view=view,
            axes=axes,
            cmap="YlOrRd",
            vmin=0,
            vmax=largest,
            threshold=1e-12,
            colorbar=False,
        )
        axes.set_box_aspect(None, zoom=1.35)
    scale = ScalarMappable(Normalize(0, largest), "YlOrRd")
    figure.colorbar(scale, cax=figure.add_axes((0.92, 0.25, 0.02, 0.5)), label="importance")
    if title is not None:
        figure.suptitle(plain(title))


def plot_chord(
    edges: pd.DataFrame,
    regions: pd.DataFrame,
    *,
    n_edges: int = 40,
    axes: Axes | None = None,
) -> Axes:
    """Draw the most important edges as arcs in a circle of regions, in the order of networks.

    Parameters
    ----------
    edges : DataFrame
        Importances by ``region_a`` and ``region_b``; averaged over participants.
    regions : DataFrame (R, .)
        ``cohort.regions``; a column ``network`` makes sectors, else ``hemisphere`` does.
    n_edges : int
        How many are drawn.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Solid arcs have a positive effect (for the class), dashed ones a negative one; the wider,
        the more important.

    Raises
    ------
    ValueError
        If the table is not of edges among these regions.

    Examples
    --------
    >>> edges = pd.DataFrame({"region_a": ["a"], "region_b": ["b"], "importance": [1.0]})
    >>> axes = plot_chord(edges, pd.DataFrame({"network": ["x", "y"]}, index=["a", "b"]))
    >>> [text.get_text() for text in axes.texts]
    ['x', 'y', 'a', 'b']
    """
    found = summarize(edges)
    if places_of(found) != ["region_a", "region_b"]:
        raise ValueError("a chord diagram shows edges: a table with region_a and region_b.")
    found = found[found["region_a"].astype(str) != found["region_b"].astype(str)].head(n_edges)
    column = next((name for name in ("network", "hemisphere") if name in regions), None)
    sectors = pd.Series("", index=regions.index)
    if column is not None:
        sectors = regions[column].fillna("none").astype(str)
    order = sectors.sort_values(kind="stable").index
    gap = 0.0 if column is None else 0.12
    step = (2 * np.pi - gap * sectors.nunique()) / len(order)
    start = np.arange(len(order)) * step + gap * pd.factorize(sectors[order])[0]
    angle = pd.Series(np.pi / 2 - start - step / 2, index=order)
    if strangers := {*found["region_a"], *found["region_b"]} - {*order}:
        raise ValueError(f"regions lacks {sorted(strangers)[:5]}, of which there are edges.")
    axes = new_axes(axes, size=(6.4, 6.4))
    for rank, (name, members) in enumerate(angle.groupby(sectors[order], sort=False)):
        _draw_sector(axes, str(name), members.to_numpy(), step, rank)
    largest = float(found["importance"].max()) if len(found) else 1.0
    for edge in found.iloc[::-1].itertuples():
        _draw_arc(axes, angle[edge.region_a], angle[edge.region_b], edge, largest or 1.0)
    named = dict.fromkeys([*found["region_a"], *found["region_b"]])
    for region in named:
        _draw_name(axes, str(region), angle[region])
    axes.set(xlim=(-1.75, 1.75), ylim=(-1.75, 1.75), aspect="equal")
    axes.set_axis_off()
    return axes


def _draw_sector(axes: Axes, name: str, angles: np.ndarray, step: float, rank: int) -> None:
    """Draw the band of a network and its name inside the circle's rim."""
    span = np.linspace(angles.max() + step / 2, angles.min() - step / 2, 40)
    shades = (MAIN, *OTHERS)
    axes.plot(np.cos(span), np.sin(span), color=shades[rank % len(shades)], linewidth=6,
              solid_capstyle="butt")  # fmt: skip
    middle = span.mean()
    if name:
        axes.text(
            0.86 * np.cos(middle),
            0.86 * np.sin(middle),
            plain(name),
            ha="center",
            va="center",
            fontsize="small",
            fontweight="bold",
            zorder=6,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )


def _draw_arc(axes: Axes, first: float, second: float, edge: Any, largest: float) -> None:
    """Draw a curve through the middle of the circle."""
    ends = [0.96 * np.array([np.cos(a), np.sin(a)]) for a in (first, second)]
    path = Path([ends[0], 0.25 * (ends[0] + ends[1]), ends[1]], [Path.MOVETO, *[Path.CURVE3] * 2])
    share = edge.importance / largest
    positive = edge.effect >= 0
    axes.add_patch(
        PathPatch(
            path,
            facecolor="none",
            edgecolor=OTHERS[0] if positive else MAIN,
            linestyle="-" if positive else (0, (4, 2)),
            linewidth=0.6 + 3 * share,
            alpha=0.35 + 0.6 * share,
        )
    )


def _draw_name(axes: Axes, name: str, angle: float) -> None:
    """Write a region's name outside the circle, along its radius and never upside down."""
    left = np.cos(angle) < 0
    axes.text(
        1.06 * np.cos(angle),
        1.06 * np.sin(angle),
        plain(name),
        rotation=np.degrees(angle) + (180 if left else 0),
        rotation_mode="anchor",
        ha="right" if left else "left",
        va="center",
        fontsize="x-small",
    )


def plot_ranking(table: pd.DataFrame, *, n: int = 15, axes: Axes | None = None) -> Axes:
    """Draw the most important regions, edges or phenotypes in their order.

    Parameters
    ----------
    table : DataFrame
        Of :func:`~brainograph.inspection.consensus`, whose deviation over fits and share of fits
        are drawn as well; or of importances.
    n : int
        How many are drawn.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Of attention to channels, regions in which the channels differ most: a dotted line is the
        weight of a channel where all count alike.

    Examples
    --------
    >>> table = pd.DataFrame({"region": ["a", "b"], "importance": [1.0, -2.0]})
    >>> [label.get_text() for label in plot_ranking(table).get_yticklabels()]
    ['b', 'a']
    """
    if "channel" in table:
        return _rank_channels(table, n, axes)
    rows = (table if "share_in_top" in table else summarize(table)).head(n)
    names = [" – ".join(map(str, row)) for row in rows[places_of(rows)].to_numpy()]
    if "share_in_top" in rows:
        shares = rows["share_in_top"]
        names = [f"{a} ({100 * s:.0f} %)" for a, s in zip(names, shares, strict=True)]
    axes = new_axes(axes, size=(6.0, 1.0 + 0.27 * max(len(rows), 3)))
    places = np.arange(len(rows))[::-1]
    axes.hlines(places, 0, rows["importance"], color=GREY, linewidth=1)
    spread = rows.get("sd")
    axes.errorbar(rows["importance"], places, xerr=spread, fmt="o", color=MAIN, elinewidth=1.5)
    axes.set_yticks(places, [plain(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="importance", ylim=(-0.7, len(rows) - 0.3))
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    return tidy(axes, grid="x")


def _rank_channels(table: pd.DataFrame, n: int, axes: Axes | None) -> Axes:
    """Draw the weights of all channels in the regions in which they differ most."""
    weights = table if "share_in_top" in table else summarize(table)
    wide = weights.pivot(index=places_of(table)[0], columns="channel", values="importance")
    wide = wide[table["channel"].unique()]
    rows = wide.loc[(wide.max(axis=1) - wide.min(axis=1)).nlargest(n).index]
    axes = new_axes(axes, size=(6.0, 1.4 + 0.27 * max(len(rows), 3)))
    heights = np.arange(len(rows))[::-1]
    axes.hlines(heights, rows.min(axis=1), rows.max(axis=1), color=GREY, linewidth=1)
    for name, color, marker in zip(rows, (MAIN, *OTHERS), "os^Dvp*X", strict=False):
        axes.plot(rows[name], heights, marker, color=color, label=plain(name))
    alike = 1 / wide.shape[1]
    axes.axvline(alike, color=GREY, linewidth=1, linestyle=":", label="all alike")
    axes.set_yticks(heights, [plain(name) for name in rows.index])
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="weight of the channel", ylim=(-0.7, len(rows) - 0.3))
    axes.set_xlim(around(alike, axes.get_xlim()))
    axes.legend(frameon=False, fontsize="small", ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    return tidy(axes, grid="x")
