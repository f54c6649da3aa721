"""Figures of individual fairness: who is treated alike, how lax the condition must be, who pays, what survives."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairlib.book.plots.style import COLOURS, MARKERS, PAPER, grid, legend_below, styled, without_empty

METHODS = {  # markers of `alike` and `served`, with `fmt`
    "defenseless": {"color": COLOURS["defenseless"], "fmt": MARKERS["defenseless"]},
    "defended": {"color": COLOURS["defended"], "fmt": MARKERS["defended"]},
    "nearest centroid": {"color": "#009E73", "fmt": "^", "markerfacecolor": "white"},
    "adversarially trained": {"color": "black", "fmt": "D", "markerfacecolor": "white"},
}
LINES = {  # of `scales`: which two are paired, by dashes and marks
    "same class": {"ls": "-", "marker": "o"},
    "any two": {"ls": ":", "marker": "x"},
    "noise": {"ls": "--", "marker": "s", "markerfacecolor": "white"},
    "fgsm": {"ls": "-.", "marker": "^"},
}
SHADES = [  # of `layers`, in turn
    {"color": "black", "marker": "o"},
    {"color": "#0072B2", "marker": "s", "ls": "--"},
    {"color": "#D55E00", "marker": "^", "ls": "-."},
    {"color": "#009E73", "marker": "D", "ls": ":"},
    {"color": "#CC79A7", "marker": "v", "ls": (0, (5, 1, 1, 1, 1, 1))},
]


@styled
def alike(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """How often two that are alike get different answers, one panel below the other, a row per network.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `label`, `method` (a key of `METHODS`), `value`, `low`, `high`, by title; labels stand in the order in
        which they come.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    labels = list(dict.fromkeys(label for frame in panels.values() for label in frame["label"]))
    figure, axes = grid(len(panels), 1, 0.7 + len(panels) * (0.45 + 0.22 * len(labels)))
    told, shown = [], {}
    for axis, (title, frame) in zip(axes[:, 0], panels.items(), strict=True):
        for shift, (method, style) in zip((-0.24, -0.08, 0.08, 0.24), METHODS.items(), strict=True):
            points = frame[frame["method"] == method]
            if points.empty:
                continue
            error = [points["value"] - points["low"], points["high"] - points["value"]]
            rows = points["label"].map(labels.index).astype(float) + shift
            shown[method] = axis.errorbar(points["value"], rows, xerr=error, markersize=4, lw=1, **style)
        for label, points in frame.groupby("label", sort=False):
            said = ", ".join(f"{p.method} {p.value:.2f}" for p in points.itertuples())
            told.append(f"{title}, {label}: {said}.")
        axis.set(title=title, yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.5, -0.5))
        axis.set(xlim=(-0.02, 1.02), xlabel="share of pairs with different answers")
        axis.label_outer()
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2)
    return figure, "Share of pairs whose two get different answers. " + " ".join(told)


@styled
def scales(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """The share of pairs that violate the condition against how lax it is, a panel per key, a line per kind of pair.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `line` (a key of `LINES`), `c`, `value`, `low`, `high`, by title; they fill two columns.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // 2)
    figure, axes = grid(rows, 2, 0.9 + 1.8 * rows)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=False):
        colour = COLOURS["defended" if "defended" in title else "defenseless"]
        for line, points in frame.groupby("line", sort=False):
            axis.plot(points["c"], points["value"], label=line, color=colour, markersize=3, markevery=2, **LINES[line])
            axis.fill_between(points["c"], points["low"], points["high"], color=colour, alpha=0.15, lw=0)
            at = points.set_index("c")["value"]
            told.append(f"{title.replace(chr(10), ', ')}, {line}: {at[1.0]:.2f} at c = 1, {at[4.0]:.2f} at 4.")
        axis.axvline(1, color="black", lw=0.8)
        axis.set(title=title, xscale="log", xlabel="c", ylabel="share with D > c d", ylim=(-0.02, 1.02))
        axis.set_xticks([0.25, 1, 4, 16], ["0.25", "1", "4", "16"])
        axis.minorticks_off()
        axis.label_outer()
    without_empty(axes, len(panels))
    legend_below(figure, axes, columns=4)
    return figure, "Share of pairs that violate the condition, against the factor c. " + " ".join(told)


@styled
def served(
    panels: Mapping[str, pd.DataFrame], chance: Mapping[str, Mapping[str, tuple[float, float]]]
) -> tuple[Figure, str]:
    """What share of each class is found, a panel per key, a mark per method.

    Bands are where all classes would be if they were served alike.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `class`, `method` (a key of `METHODS`), `value`, `low`, `high`, by title.
    chance : mapping of str to mapping of str to tuple of float
        By title and method the worst and the best recall to be expected of classes that are served alike.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(len(panels), 1, 0.7 + 1.8 * len(panels))
    told = []
    for axis, (title, frame) in zip(axes[:, 0], panels.items(), strict=True):
        for shift, (method, points) in zip((-0.16, 0.16, 0), frame.groupby("method", sort=False), strict=False):
            error = [points["value"] - points["low"], points["high"] - points["value"]]
            style = METHODS[method]
            axis.errorbar(points["class"] + shift, points["value"], error, label=method, markersize=4, lw=1, **style)
            low, high = chance[title][method]
            axis.axhspan(low, high, color=style["color"], alpha=0.18, lw=0)
            shares = ", ".join(f"{v:.2f}" for v in points["value"])
            told.append(f"{title}, {method}: {shares}; served alike, {low:.2f} to {high:.2f}.")
        axis.set(title=title, xlabel="class", ylabel="share found", ylim=(-0.02, 1.02), xticks=frame["class"].unique())
        axis.label_outer()
    legend_below(figure, axes, columns=2)
    return figure, "Share of each class that is found, classes in the order of their numbers. " + " ".join(told)


@styled
def layers(panels: Mapping[str, pd.DataFrame], chance: float) -> tuple[Figure, str]:
    """What a measure says at each layer, from the pixels on, a panel per key, a line for each strength of the attack.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `layer`, `line` (five at most), `value`, `low`, `high`, by title; layers and lines stand in the order in
        which they come.
    chance : float
        What guessing gives, a dotted line.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // 2)
    figure, axes = grid(rows, 2, 0.9 + 2.1 * rows)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=False):
        names = list(frame["layer"].unique())
        for (line, points), style in zip(frame.groupby("line", sort=False), SHADES, strict=False):
            at = np.array([names.index(name) for name in points["layer"]])
            axis.plot(at, points["value"], label=line, markersize=3, lw=1.2, **style)
            axis.fill_between(at, points["low"], points["high"], color=style["color"], alpha=0.15, lw=0)
            shares = ", ".join(f"{p.layer} {p.value:.2f}" for p in points.itertuples())
            told.append(f"{title}, {line}: {shares}.")
        axis.axhline(chance, color=PAPER, ls=":", lw=1)
        axis.set(title=title, ylabel="own class is nearest", ylim=(-0.02, 1.02))
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=6)
    without_empty(axes, len(panels))
    legend_below(figure, axes, columns=3)
    return figure, "Share of images whose own class's centroid is the nearest, layer by layer. " + " ".join(told)
