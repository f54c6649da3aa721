"""Two numbers of a model against each other, along its training."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fairlib.book.plots.fairness import ARMS
from fairlib.book.plots.style import grid, styled


@styled
def frontiers(panels: Mapping[str, pd.DataFrame], xlabel: str) -> tuple[Figure, str]:
    """What training does to a number and to the accuracy: a panel per number, a path per arm from one common start.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        By what the number is rows of `arm` (a key of `ARMS`), `accuracy`, `value`, `low`, `high`; the rows of an arm
        stand in the order of its training, the first is the start.
    xlabel : str
        What the accuracy is of.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, len(panels), 2.9)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        for (arm, path), marker in zip(frame.groupby("arm", sort=False), "oDsv^P", strict=False):
            name, colour = ARMS[arm]
            error = [path["value"] - path["low"], path["high"] - path["value"]]
            axis.errorbar(path["accuracy"], path["value"], error, label=name, marker=marker, color=colour, ms=3.5, lw=1)
            values = ", ".join(f"{p.value:.3f} at {p.accuracy:.2f}" for p in path.itertuples())
            told.append(f"{title}, {name}: {values}.")
        axis.set(xlabel=xlabel, ylabel=title)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure, f"Each number against the {xlabel}, along the training. " + " ".join(told)
