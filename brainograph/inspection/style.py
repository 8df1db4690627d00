"""The look that all pictures share.

The colours are those of Okabe and Ito, which colour-blind readers tell apart; lines also differ
in their dashes and points in their shapes, so that a grey print reads as well.
"""

from typing import Any, Literal

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

MAIN = "#0072B2"
GREY = "#8A8A8A"
OTHERS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#6B6B6B")
_DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))


def new_axes(axes: Axes | None, *, size: tuple[float, float] = (4.6, 4.2)) -> Axes:
    """Return the axes that were given, or those of a new figure; the size is in inches."""
    return plt.subplots(figsize=size, layout="constrained")[1] if axes is None else axes


def line_style(rank: int) -> dict[str, Any]:
    """Return the colour and the dashes of a line that is not the main one."""
    return {"color": OTHERS[rank % len(OTHERS)], "linestyle": _DASHES[rank % len(_DASHES)]}


def around(alike: float, limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits in which weights that are nearly alike look so.

    Examples
    --------
    >>> around(0.5, (0.49, 0.8))
    (0.45, 0.8)
    """
    return min(limits[0], alike - 0.05), max(limits[1], alike + 0.05)


def plain(text: object) -> str:
    """Return text that matplotlib does not read as mathematics."""
    return str(text).replace("$", r"\$")


def tidy(axes: Axes, *, grid: Literal["x", "y", "both"] | None = None) -> Axes:
    """Take away the frame that carries no data and lay the grid behind the rest."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=GREY, alpha=0.25, linewidth=0.6)
    return axes
