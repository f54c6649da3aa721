"""The figure of the ledger."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairlib.book.plots.style import grid, styled

VERDICTS = {  # colour and hatching, so that colour is not the only sign
    "reproduced": ("#009E73", ""),
    "partly": ("#E69F00", "//"),
    "not reproduced": ("#D55E00", "xx"),
    "undecided": ("#F0E442", "\\\\"),
    "only with the released code": ("#CC79A7", ".."),
    "only as the text says": ("#56B4E9", "oo"),
    "not testable here": ("#BBBBBB", "--"),
    "not yet run": ("#FFFFFF", ""),
}


@styled
def verdicts(counts: pd.DataFrame) -> tuple[Figure, str]:
    """Claims by verdict as stacked bars.

    Parameters
    ----------
    counts : pandas.DataFrame
        A row per verdict, a column per paper: how many claims.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, 1, 2.1)
    axis, told = axes[0, 0], []
    left = np.zeros(counts.shape[1])
    for verdict, row in counts.iterrows():
        colour, hatch = VERDICTS[verdict]
        style = {"label": verdict, "facecolor": colour, "hatch": hatch, "edgecolor": "black", "lw": 0.5}
        bars = axis.barh(counts.columns, row, left=left, height=0.6, **style)
        wide = [str(n) if n >= 0.04 * counts.sum().max() else "" for n in row]
        box = {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.15"}
        axis.bar_label(bars, wide, label_type="center", bbox=box)
        left += row.to_numpy()
    for paper, column in counts.items():
        told.append(f"{paper}: {', '.join(f'{n} {verdict}' for verdict, n in column.items() if n)}.")
    axis.set(xlabel="claims", xlim=(0, 1.02 * left.max()))
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    figure.legend(loc="outside lower center", ncols=2)
    return figure, "Stacked bars of claims by verdict. " + " ".join(told)


@styled
def recorded(table: pd.DataFrame) -> tuple[Figure, str]:
    """The processor time of the recorded runs as bars, the longest on top.

    Parameters
    ----------
    table : pandas.DataFrame
        As `fairlib.book.checked.records` gives it: `experiment`, `minutes`, `recorded`, `fresh`.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, in which an experiment whose records are not all fresh has an open bar, and the text for those who
        don't see it.
    """
    table = table.sort_values("minutes", ignore_index=True)
    whole = table["fresh"] == table["recorded"]
    figure, axes = grid(1, 1, 0.6 + 0.19 * len(table))
    for rows, colour, label in ((whole, "#0072B2", "of today's code"), (~whole, "white", "code or data changed since")):
        if rows.any():
            bars = table[rows]
            axes[0, 0].barh(bars.index, bars["minutes"], color=colour, edgecolor="black", lw=0.6, label=label)
    axes[0, 0].set(xlabel="minutes of one processor", yticks=table.index, yticklabels=table["experiment"])
    axes[0, 0].grid(axis="y", visible=False)
    axes[0, 0].legend(loc="lower right")
    told = [
        f"{row.experiment} {row.minutes:.0f}" + ("" if fresh else ", changed since")
        for row, fresh in zip(table[::-1].itertuples(), whole[::-1], strict=True)
    ]
    return figure, f"Minutes of recorded runs by experiment, the longest first: {'; '.join(told)}."
