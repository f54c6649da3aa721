"""What all figures share: colours, markers, size and style; panels and legends; and `show`, which puts one on the page.

Colours are Okabe and Ito's, one per method in the whole book; the papers' own values are always the same neutral grey.
"""

import io

import matplotlib
import numpy as np
import PIL.Image
import seaborn as sns
from IPython.display import Image, display
from matplotlib.figure import Figure

PAPER = "#767676"
COLOURS = {
    "defenseless": "#0072B2",
    "defended": "#D55E00",
    "loose": "#E69F00",
    "perc_al": "#E69F00",
    "pgd": "#0072B2",
    "ppgd": "#CC79A7",
    "lpa": "#009E73",
    **dict.fromkeys(("ours_a=0", "ours_a=1", "ours_a=5"), "#D55E00"),
    "none": "black",
}
MARKERS = {
    **{"defenseless": "o", "defended": "s", "loose": "^"},
    **{"perc_al": "v", "pgd": "o", "ppgd": "^", "lpa": "D", "ours_a=0": "s", "ours_a=1": "P", "ours_a=5": "*"},
    "none": "x",
}
WIDTH = 4.8  # inches: on a phone's 360 pixels the letters are still 8 pixels high
STYLE = {
    **sns.axes_style("ticks", {"axes.grid": True, "grid.color": "#dddddd"}),
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize", "legend.fontsize"), 8),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 7),
    "legend.frameon": False,
}
styled = matplotlib.rc_context(STYLE)  # the decorator of every figure


def show(figure: Figure, alt: str) -> None:
    """Display a figure as a PNG that carries its alt text.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    alt : str
        A sentence, or more, that says what it shows.

    Raises
    ------
    ValueError
        Where `alt` is empty.
    """
    if not alt.strip():
        raise ValueError("alt is empty, expected a sentence that says what the figure shows")
    drawn = not any(axes.images for axes in figure.axes)
    options = {"dpi": 150 if drawn else 200, "bbox_inches": "tight", "facecolor": "white"}
    figure.savefig(png := io.BytesIO(), format="png", metadata={"Software": None}, **options)
    display(Image(_small(png.getvalue(), drawn=drawn), alt=alt))


def _small(png: bytes, *, drawn: bool) -> bytes:
    """The same PNG in fewer bytes: 64 colours are enough for lines and areas, and 256 for a grey picture, exactly."""
    with PIL.Image.open(io.BytesIO(png)) as picture:
        colours = picture.convert("RGB")
    if not drawn and colours.getcolors(256) is None:
        return png
    palette = colours.quantize(64 if drawn else 256, kmeans=int(drawn), dither=PIL.Image.Dither.NONE)
    palette.save(smaller := io.BytesIO(), format="png", optimize=True)
    return smaller.getvalue()


def grid(rows: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    """Empty axes in rows and columns, as wide as the page.

    Parameters
    ----------
    rows, columns : int
        1 or more.
    height : float
        Inches, of the whole figure.

    Returns
    -------
    tuple of matplotlib.figure.Figure and numpy.ndarray
        The figure, and its axes (rows, columns).
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def legend_below(figure: Figure, axes: np.ndarray, *, columns: int) -> None:
    """What the first panel's lines are called, below all panels, in so many columns."""
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def without_empty(axes: np.ndarray, panels: int) -> None:
    """Take away the axes that are left where there are fewer panels than places."""
    for axis in axes.flat[panels:]:
        axis.remove()
