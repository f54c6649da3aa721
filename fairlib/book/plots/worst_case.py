"""Accuracy against the strength of an attack, line by line; and what it saves and costs to share attacks."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairlib.book.plots.style import COLOURS, grid, legend_below, styled, without_empty

LINES = [  # styles of `lines`, in turn
    {"color": COLOURS["defenseless"], "marker": "o"},
    {"color": COLOURS["defended"], "marker": "s", "ls": "--"},
    {"color": "#009E73", "marker": "^", "ls": ":"},
    {"color": "black", "marker": "D", "ls": "-.", "markerfacecolor": "white"},
    {"color": "#777777"},
]


@styled
def lines(frame: pd.DataFrame, xlabel: str) -> tuple[Figure, str]:
    """Accuracy against a number, such as the strength of an attack, a line for each name.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of `line` (five at most), `x`, `accuracy`, and the ends of its 95 % interval, `low` and `high`; lines
        stand in the order in which they come. Where it has `panel`, there is a panel for each of its values, two
        side by side, and the alt text says the ends of each line.
    xlabel : str
        What the number is.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    panels = dict(list(frame.groupby("panel", sort=False))) if "panel" in frame else {"": frame}
    rows = -(-len(panels) // 2)
    figure, axes = grid(rows, min(2, len(panels)), 2.9 if len(panels) == 1 else 0.8 + 1.9 * rows)
    told = []
    for axis, (title, part) in zip(axes.flat, panels.items(), strict=False):
        told += [f"{title}."] if title else []
        for (name, points), style in zip(part.groupby("line", sort=False), LINES, strict=False):
            axis.plot(points["x"], points["accuracy"], label=name, markersize=4, **style)
            axis.fill_between(points["x"], points["low"], points["high"], color=style["color"], alpha=0.15, lw=0)
            said = points if len(panels) == 1 else points.iloc[[0, -1]]
            told.append(f"{name}: {', '.join(f'{p.accuracy:.2f} at {p.x:g}' for p in said.itertuples())}.")
        axis.set(title=title, xlabel=xlabel, ylabel="accuracy", ylim=(-0.02, 1.02))
        axis.label_outer()
    without_empty(axes, len(panels))
    legend_below(figure, axes, columns=2)
    return figure, f"Accuracy against {xlabel}. " + " ".join(told)


@styled
def shared_attacks(
    cost: pd.DataFrame, worth: Mapping[str, Sequence[float]], start: float, unit: str
) -> tuple[Figure, str]:
    """Above, what several models cost; below, the accuracies of such models as strokes with their mean.

    Parameters
    ----------
    cost : pandas.DataFrame
        Rows of `label`, and in one unit what goes into `attacks` and into `training`; NaN where the two are not apart.
        Then `whole` is their sum.
    worth : mapping of str to sequence of float
        Accuracies by label.
    start : float
        The accuracy of the model that all set out from, a dashed line.
    unit : str
        What the costs are counted in.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(2, 1, 1.6 + 0.3 * (len(cost) + len(worth)))
    bars, strokes = axes[:, 0]
    parts = {
        "attacks, made once": ("attacks", {"color": COLOURS["defended"], "hatch": "///"}),
        "training of the models": ("training", {"color": COLOURS["defenseless"]}),
        "each model with attacks of its own": ("whole", {"color": "#BBBBBB"}),
    }
    left = np.zeros(len(cost))
    for name, (column, style) in parts.items():
        width = cost[column].fillna(0).to_numpy()
        bars.barh(cost["label"], width, left=left, height=0.6, edgecolor="white", label=name, **style)
        left += width
    for row, total in enumerate(left):
        bars.text(total, row, f" {total:.1f}", va="center", fontsize=7)
    bars.set(title="cost", xlabel=unit, xlim=(0, 1.12 * left.max()), ylim=(len(cost) - 0.5, -0.5))
    bars.legend(loc="lower right", fontsize=7)
    told = [f"{label}: {total:.1f} {unit}." for label, total in zip(cost["label"], left, strict=True)]
    for row, (name, values) in enumerate(worth.items()):
        strokes.plot(values, np.full(len(values), row), "|", color=COLOURS["defenseless"], markersize=10, mew=0.8)
        strokes.plot(np.mean(values), row, "D", color="black", markersize=4)
        told.append(f"{name}: accuracy {np.mean(values):.3f}, {np.min(values):.3f} to {np.max(values):.3f}.")
    strokes.axvline(start, color="black", ls="--", lw=1.2)
    strokes.set(yticks=range(len(worth)), yticklabels=list(worth), ylim=(len(worth) - 0.5, -0.5))
    strokes.set(title="accuracy on pictures that nobody attacks", xlabel="accuracy")
    told.append(f"The model they start from: {start:.3f}.")
    return figure, "What several models cost, and how accurate they are. " + " ".join(told)
