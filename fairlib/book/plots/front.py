"""The small pictures of the first page's cards."""

import pandas as pd
from matplotlib.figure import Figure

from fairlib.book.plots.style import COLOURS, styled

SIZE = 2.5, 1.5  # inches: a card's width, at which the letters are those of the text around it
FIRST = {"fmt": "o", "color": COLOURS["defenseless"], "markerfacecolor": "white"}
LAST = {"fmt": "s", "color": COLOURS["defended"]}


@styled
def card(frame: pd.DataFrame, xlabel: str) -> tuple[Figure, str]:
    """Numbers with their intervals, a row per label, a mark per series; a line at zero.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of `label`, `series` (two at most; the last is filled), `value`, `low`, `high`; labels stand in the order
        in which they come.
    xlabel : str
        What the numbers are.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    labels, series = list(frame["label"].unique()), list(frame["series"].unique())
    figure = Figure(figsize=SIZE, layout="constrained")
    axis = figure.subplots()
    for name, style in zip(series, (FIRST, LAST)[-len(series) :], strict=True):
        points = frame[frame["series"] == name]
        error = [points["value"] - points["low"], points["high"] - points["value"]]
        rows = points["label"].map(labels.index)
        axis.errorbar(points["value"], rows, xerr=error, label=name, markersize=4, lw=1.2, **style)
    axis.axvline(0, color="black", lw=1, zorder=0)
    axis.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.5, -0.5), xlabel=xlabel)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    for side in ("left", "top", "right"):
        axis.spines[side].set_visible(False)
    if len(series) > 1:
        figure.legend(loc="outside upper center", ncols=2, handletextpad=0, columnspacing=1)
    frame = frame.assign(**{end: frame[end].round() + 0.0 for end in ("value", "low", "high")})  # no -0
    told = (
        ", ".join(f"{p.series} {p.value:.0f} [{p.low:.0f}, {p.high:.0f}]" for p in rows.itertuples())
        for rows in (frame[frame["label"] == label] for label in labels)
    )
    return figure, f"{xlabel.capitalize()}. " + " ".join(f"{a}: {b}." for a, b in zip(labels, told, strict=True))
