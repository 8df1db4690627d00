"""Pictures as inline SVG that takes its colours and its font from the page.

What is drawn in ``PAPER`` has the colour of the page behind it.
"""

import re
import warnings
from collections.abc import Callable
from io import StringIO
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainograph.inspection.style import MAIN

__all__ = ["PAPER", "draw"]

PAPER = "#fefdfc"
_INK = "#010203"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "brainograph",
    "font.size": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
} | dict.fromkeys(
    ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK
)


def _inline(svg: str, *, name: str, width: float) -> Markup:
    """Make a drawing part of a page: no header, own ids, colours of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    head, body = svg.split(">", 1)
    view = re.search(r'viewBox="[^"]*"', head)
    style = f"width:100%;max-width:{width * 96:.0f}px;height:auto"
    svg = f'<svg {view[0] if view else ""} style="{style}" aria-hidden="true">{body}'
    colours = {_INK: "currentColor", MAIN.lower(): "var(--main)", PAPER: "var(--paper)"}
    for colour, of_page in colours.items():
        svg = svg.replace(colour, of_page)
    return Markup(svg)


def draw(
    name: str, plot: Callable[[Axes], object], *, size: tuple[float, float] = (4.4, 4.0)
) -> Markup:
    """Draw on new axes and return the SVG.

    Parameters
    ----------
    name : str
        Prefix of the ids in the drawing; unique in the page.
    plot : callable
        Draws on the axes that it is given.
    size : (width, height)
        Inches; small, so that letters stay readable on a phone.

    Returns
    -------
    Markup
        ``<svg>`` without script, link or external resource.
    """
    with mpl.rc_context(_STYLE), warnings.catch_warnings(), StringIO() as file:
        # The browser draws the letters, so a glyph that matplotlib's font lacks does no harm.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        plot(figure.subplots())
        figure.savefig(file, format="svg", metadata={"Date": None})
        return _inline(file.getvalue(), name=name, width=size[0])
