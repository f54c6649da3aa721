"""Methods as marks on a plane: what each does to the accuracy, and what it does to another number."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fairlib.book.plots.fairness import ARMS
from fairlib.book.plots.style import grid, legend_below, styled

# What the methods of the yardsticks are called, their colours and markers: attacks filled, what is none hollow.
METHODS = {
    "plain": (ARMS["plain"][0], "#777777", "o"),
    "noise": (ARMS["noise"][0], "#777777", "s"),
    "pgd": (*ARMS["pgd"], "o"),
    "perc": (*ARMS["perc"], "v"),
    "ssim": (*ARMS["ssim"], "D"),
    "ours": (*ARMS["ours"], "s"),
    "balanced": ("balanced sampling", "#009E73", "^"),
    "weighted": ("weighted loss", "#009E73", "v"),
    "focal": ("focal loss", "#CC79A7", "o"),
    "group DRO": ("group DRO", "#CC79A7", "D"),
    "wrong labels": ("wrong labels", "#777777", "X"),
    "strong noise": ("strong noise", "#777777", "P"),
    "no stamps": ("oracle: tuned without stamps", "black", "<"),
    "never stamped": ("oracle: never saw stamps", "black", ">"),
    "stamps removed": ("oracle: stamps removed", "black", "*"),
}
FILLED = ("pgd", "perc", "ssim", "ours")


@styled
def beside(
    panels: Mapping[str, pd.DataFrame], xlabel: str, *, line: Mapping[str, tuple[float, float]]
) -> tuple[Figure, str]:
    """What each method does to the accuracy, and to another number: a panel per number, a mark per method.

    The frame goes half as far beyond the marks as they lie apart; longer intervals are cut off there.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        By what the number is a row per method (the index, keys of `METHODS`): `x`, `x_low`, `x_high`, `value`, `low`,
        `high`.
    xlabel : str
        What x is.
    line : mapping of str to tuple of float
        By panel a point to which a dashed line leads from the origin.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(len(panels), 1, 0.9 + 2.2 * len(panels))
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        for method, row in frame.iterrows():
            name, colour, marker = METHODS[method]
            face = colour if method in FILLED else "white"
            axis.errorbar(
                row["x"], row["value"], [[row["value"] - row["low"]], [row["high"] - row["value"]]],
                [[row["x"] - row["x_low"]], [row["x_high"] - row["x"]]], label=name, fmt=marker, color=colour,
                markerfacecolor=face, markersize=5, lw=0.7,
            )  # fmt: skip
            told.append(f"{title}, {name}: {row['value']:+.3g} at {row['x']:+.1f}.")
        axis.axhline(0, color="black", lw=0.8)
        axis.axvline(0, color="black", lw=0.8)
        if title in line:
            axis.plot([0, line[title][0]], [0, line[title][1]], "--", color="black", lw=0.8, label="guessing")
        axis.set(xlabel=xlabel, ylabel=title, xlim=_around(frame["x"]), ylim=_around(frame["value"]))
    legend_below(figure, axes, columns=2)
    return figure, f"Each method by {xlabel}. " + " ".join(told)


def _around(values: pd.Series) -> tuple[float, float]:
    """Ends of an axis: the values and zero, and half as far again on both sides."""
    low, high = min(0, values.min()), max(0, values.max())
    return low - (high - low) / 2, high + (high - low) / 2
