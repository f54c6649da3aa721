"""The figure of the made worlds in which the audit's verdict is judged."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairlib.book.plots.style import COLOURS, grid, styled

# By the number of countries, in their order; hollow and dashed where few countries have most of the images.
SERIES = (("o", COLOURS["defenseless"]), ("s", COLOURS["defended"]), ("^", "#009E73"))
EVEN = "even"


@styled
def made_worlds(sizes: pd.DataFrame, power: pd.DataFrame, names: dict[str, str]) -> tuple[Figure, str]:
    """How often a slope is established: by kind of world where there is none, and against the true one.

    Parameters
    ----------
    sizes, power : pandas.DataFrame
        Rows of `kind`, `shares`, `countries`, `slope`, `share`, `low`, `high`; the numbers of countries are three at
        most, and the same in both.
    names : dict of str to str
        What the kinds of `sizes` are called, in the order in which they stand.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(2, 1, 1.6 + 0.36 * len(names) + 2.2)
    top, bottom = axes[:, 0]
    counts = sorted(sizes["countries"].unique())
    told = [*_sizes(top, sizes, counts, names), *_curves(bottom, power, counts)]
    handles, labels = top.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure, "Shares of made worlds in which the audit calls a slope established. " + " ".join(told)


def _sizes(axis: Axes, sizes: pd.DataFrame, counts: Sequence[int], names: dict[str, str]) -> list[str]:
    """Dots with their intervals, a row per kind of world; what they say."""
    series = [(shares, k) for shares in dict.fromkeys(sizes["shares"]) for k in counts]
    for i, (shares, k) in enumerate(series):
        points = sizes[(sizes["shares"] == shares) & (sizes["countries"] == k)]
        rows = np.array([list(names).index(kind) for kind in points["kind"]], dtype=float)
        rows += (i - (len(series) - 1) / 2) / (len(series) + 1.5)
        error = [points["share"] - points["low"], points["high"] - points["share"]]
        marker, colour = SERIES[counts.index(k)]
        style = {"color": colour, "fmt": marker, "markersize": 3.5, "lw": 1, "label": f"{k} countries, {shares} shares"}
        axis.errorbar(points["share"], rows, xerr=error, markerfacecolor=colour if shares == EVEN else "white", **style)
    axis.axvline(0.05, color="black", ls=":", lw=1)
    ends = len(names) - 0.5
    axis.set(yticks=range(len(names)), yticklabels=names.values(), ylim=(ends, -0.5), xlim=(0, None))
    axis.set(title="worlds without a slope", xlabel="share in which a slope is established")
    told = []
    for kind, name in names.items():
        own = sizes[sizes["kind"] == kind]
        told.append(f"{name}: {own['share'].min():.3f} to {own['share'].max():.3f}.".replace("\n", " "))
    return told


def _curves(axis: Axes, power: pd.DataFrame, counts: Sequence[int]) -> list[str]:
    """A line with its band for each number of countries; what they say."""
    told = []
    for (shares, k), line in power.groupby(["shares", "countries"]):
        line = line.sort_values("slope")
        marker, colour = SERIES[counts.index(k)]
        even = shares == EVEN
        style = {"ls": "-" if even else "--", "markerfacecolor": colour if even else "white", "markersize": 3.5}
        axis.plot(line["slope"], line["share"], color=colour, marker=marker, lw=1.2, **style)
        axis.fill_between(line["slope"], line["low"], line["high"], color=colour, alpha=0.15, lw=0)
        shown = ", ".join(f"{row.share:.2f} at {row.slope:g}" for row in line.itertuples())
        told.append(f"{k} countries, {shares} shares: {shown}.")
    for level in (0.05, 0.8):
        axis.axhline(level, color="black", ls=":", lw=1)
    axis.set(title="worlds with a slope", xlabel="true slope: accuracy per unit of log GDP", ylim=(0, 1.02))
    axis.set(ylabel="share established")
    return told
