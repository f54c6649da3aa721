"""What is certain against how far an attacker may go."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fairlib.book.plots.style import COLOURS, grid, styled

LINES = {  # styles of `certificates`; what an attack leaves is an upper bound, drawn in its line's colour and thin
    "network": {"color": COLOURS["defenseless"], "marker": "o"},
    "network, interval-trained": {"color": "#009E73", "marker": "^"},
    "votes of the centroid defence": {"color": COLOURS["defended"], "marker": "s", "markerfacecolor": "white"},
    "network, smoothed": {"color": "black", "marker": "D", "markerfacecolor": "white"},
    "trained with noise, smoothed": {"color": "#CC79A7", "marker": "v"},
}


@styled
def certificates(
    boxes: Mapping[str, pd.DataFrame], balls: Mapping[str, pd.DataFrame], radius: str
) -> tuple[Figure, str]:
    """The share of images that is certainly right, above by interval bounds, below by smoothing; a column per key.

    Parameters
    ----------
    boxes : mapping of str to pandas.DataFrame
        By title rows of `line` (a key of `LINES`), `x` (eps, above 0), `value`, `low`, `high`, and `attacked`, what an
        attack leaves.
    balls : mapping of str to pandas.DataFrame
        Under the same titles the same without `attacked`, `x` being a radius.
    radius : str
        What the radius is.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(2, len(boxes), 4.4)
    told, shown = [], {}
    for place, (column, title) in enumerate(zip(axes.T, boxes, strict=True)):
        for axis, frame in zip(column, (boxes[title], balls[title]), strict=True):
            for line, points in frame.groupby("line", sort=False):
                style = {"markersize": 3.5, "lw": 1.2} | LINES[line]
                error = [points["value"] - points["low"], points["high"] - points["value"]]
                shown[line] = axis.errorbar(points["x"], points["value"], error, elinewidth=0.8, **style)
                first, last = points.iloc[0], points.iloc[-1]
                half = points.loc[points["value"] >= first.value / 2, "x"].max()
                told.append(
                    f"{title}, {line}: {first.value:.2f} at {first.x:g}, half of it up to {half:g}, "
                    f"{last.value:.2f} at {last.x:g}."
                )
                if "attacked" in frame:
                    (shown["left by an attack"],) = axis.plot(
                        points["x"], points["attacked"], color=style["color"], ls=":", lw=1
                    )
            axis.set(ylim=(-0.02, 1.02), ylabel="" if place else "certainly right")
        column[0].set(title=title, xscale="log", xlabel="eps, each pixel")
        column[1].set(xlabel=radius)
    shown["left by an attack"] = shown.pop("left by an attack")
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2)
    return figure, "Share of images that are certainly right, against how far an attacker may go. " + " ".join(told)
