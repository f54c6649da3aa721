"""Figures of numbers as marks with their intervals: trainings, classes, tuned variants, and any in rows."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from fairlib.book.plots.style import COLOURS, PAPER, grid, legend_below, styled, without_empty
from fairlib.intervals import prediction_range


@styled
def trainings(measured: pd.DataFrame, published: pd.DataFrame) -> tuple[Figure, str]:
    """Accuracies of independent trainings as strokes, one row per network and data set; the paper's value in grey.

    Below the strokes a bar: where a further training is expected, measured on as many images as the paper has.

    Parameters
    ----------
    measured : pandas.DataFrame
        Rows of `network`, `dataset`, `accuracy`, one per training.
    published : pandas.DataFrame
        The same columns and `n`, one row per network and data set.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, 1, 2.6)
    axis, told = axes[0, 0], []
    names = [f"{r.network}, {r.dataset}" for r in published.itertuples()]
    for row, paper in enumerate(published.itertuples()):
        dots = measured.query("network == @paper.network and dataset == @paper.dataset")["accuracy"]
        axis.plot(dots, np.full(len(dots), row - 0.12), "|", color=COLOURS["defenseless"], markersize=12, mew=1.5)
        low, high = prediction_range(dots, paper.n)
        axis.plot([low, high], [row + 0.18] * 2, color=COLOURS["defenseless"], lw=4, alpha=0.3, solid_capstyle="butt")
        axis.plot(paper.accuracy, row + 0.18, "D", color=PAPER, markerfacecolor="white", markersize=5)
        told.append(
            f"{names[row]}: {dots.min():.2f} to {dots.max():.2f}, a further one on {paper.n} images {low:.2f} to "
            f"{high:.2f}, paper {paper.accuracy:.2f}."
        )
    axis.set(yticks=range(len(names)), yticklabels=names, xlabel="clean accuracy", ylim=(len(names) - 0.5, -0.5))
    return figure, "Clean accuracies of repeated trainings beside the paper's. " + " ".join(told)


RULES = {  # markers of `recall`
    "lowest": {"fmt": "s", "markerfacecolor": COLOURS["defended"]},
    "random": {"fmt": "o", "markerfacecolor": "white"},
    "highest": {"fmt": "^", "markerfacecolor": "white"},
}


@styled
def recall(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Share of each class that the defence finds, one panel per key, a marker per rule for ties.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `class` (0, 1, ...), `rule` (a key of `RULES`), `accuracy`, `low`, `high`, by title; an even number.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // 2)
    figure, axes = grid(rows, 2, 0.9 + 1.9 * rows)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        for shift, (rule, points) in zip((-0.2, 0, 0.2), frame.groupby("rule", sort=False), strict=False):
            error = (points[["low", "high"]].sub(points["accuracy"], axis=0)).abs().T
            style = {"color": COLOURS["defended"], "markersize": 4, "lw": 1} | RULES[rule]
            axis.errorbar(points["class"] + shift, points["accuracy"], error, label=f"ties: {rule}", **style)
            shares = ", ".join(f"{a:.2f}" for a in points["accuracy"])
            told.append(f"{title}, ties {rule}, classes 0 to {len(points) - 1}: {shares}.")
        axis.set(title=title, xlabel="class", ylabel="recall", ylim=(-0.02, 1.02), xticks=frame["class"].unique())
        axis.label_outer()
    legend_below(figure, axes, columns=3)
    several = {1: "one rule", 2: "two rules", 3: "three rules"}[
        max(frame["rule"].nunique() for frame in panels.values())
    ]
    return figure, f"Recall of each class under {several} for ties. " + " ".join(told)


VARIANTS = {  # markers of `tradeoff`
    "undefended": {"fmt": "o", "color": COLOURS["defenseless"]},
    "as published": {"fmt": "s", "color": COLOURS["defended"]},
    "tuned, clean": {"fmt": ">", "color": "#009E73"},
    "tuned, eps 0.1": {"fmt": "^", "color": "#009E73"},
    "tuned, mix": {"fmt": "D", "color": "#009E73", "markerfacecolor": "white"},
    "mean": {"fmt": "d", "color": "#CC79A7", "markerfacecolor": "white"},
    "medoid": {"fmt": "d", "color": "#CC79A7"},
    "optimised": {"fmt": "P", "color": "black"},
    "optimised, tuned": {"fmt": "X", "color": "black", "markerfacecolor": "white"},
    "network alone": {"fmt": "o", "color": COLOURS["defenseless"]},
    "centroid defence": {"fmt": "s", "color": COLOURS["defended"]},
    "closest-tie rule": {"fmt": "s", "color": COLOURS["defended"], "markerfacecolor": "white"},
    "nearest centroid": {"fmt": "d", "color": "#CC79A7"},
    "blurred input": {"fmt": "o", "color": COLOURS["defenseless"], "markerfacecolor": "white"},
    "FGSM training": {"fmt": "v", "color": "black", "markerfacecolor": "white"},
    "PGD training": {"fmt": "v", "color": "black"},
    "interval training": {"fmt": "^", "color": "#009E73"},
}


@styled
def tradeoff(panels: Mapping[str, pd.DataFrame], xlabel: str, ylabel: str) -> tuple[Figure, str]:
    """One accuracy against another, one panel per key, a marker per variant with both its intervals.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `variant` (a key of `VARIANTS`), `x`, `x_low`, `x_high`, `y`, `y_low`, `y_high`, by title; two side
        by side.
    xlabel, ylabel : str
        What the two accuracies are.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // 2)
    figure, axes = grid(rows, min(2, len(panels)), 3.6 if len(panels) < 2 else 1.0 + 1.9 * rows)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=False):
        for p in frame.itertuples():
            error = {"xerr": [[p.x - p.x_low], [p.x_high - p.x]], "yerr": [[p.y - p.y_low], [p.y_high - p.y]]}
            axis.errorbar(p.x, p.y, **error, label=p.variant, markersize=5, lw=1, **VARIANTS[p.variant])
            told.append(f"{title}, {p.variant}: {p.x:.2f}, {p.y:.2f}.")
        axis.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=(0, 1.02), ylim=(0, 1.02))
        axis.label_outer()
    without_empty(axes, len(panels))
    legend_below(figure, axes, columns=3)
    return figure, f"{xlabel.capitalize()} and {ylabel}. " + " ".join(told)


SERIES = [  # markers of `dots`, in turn
    {"fmt": "o", "color": "#0072B2"},
    {"fmt": "o", "color": "#0072B2", "markerfacecolor": "white"},
    {"fmt": "s", "color": "#D55E00"},
    {"fmt": "s", "color": "#D55E00", "markerfacecolor": "white"},
    {"fmt": "^", "color": "#009E73"},
    {"fmt": "^", "color": "#009E73", "markerfacecolor": "white"},
]


@styled
def dots(
    frame: pd.DataFrame, xlabel: str, *, ratio: bool = False, mark: tuple[float, str] | None = None
) -> tuple[Figure, str]:
    """Numbers with their intervals, a row per label, a marker per series, a line where there is no difference.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of `label`, `series` (six at most), `value`, `low`, `high`; labels and series stand in the order in which
        they come. Where it has `paper`, the paper's values, or NaN, they are grey diamonds.
    xlabel : str
        What the numbers are.
    ratio : bool
        Whether they are ratios, on a logarithmic axis with the line at one; else the line is at zero.
    mark : tuple of float and str, optional
        Where a dashed line stands as well, and what it is called.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    labels, series = list(frame["label"].unique()), list(frame["series"].unique())
    figure, axes = grid(1, 1, 0.8 + 0.09 * (1 + len(series)) * len(labels))
    axis, told = axes[0, 0], []
    for i, (name, style) in enumerate(zip(series, SERIES, strict=False)):
        points = frame[frame["series"] == name]
        rows = points["label"].map(labels.index).astype(float) + (i - (len(series) - 1) / 2) / (1 + len(series))
        error = [points["value"] - points["low"], points["high"] - points["value"]]
        axis.errorbar(points["value"], rows, xerr=error, label=name, markersize=3.5, lw=1, **style)
        if "paper" in frame and points["paper"].notna().any():
            first = not any(line.get_label() == "paper" for line in axis.lines)
            style = {"color": PAPER, "markerfacecolor": "none", "markersize": 5, "zorder": 1}
            axis.plot(points["paper"], rows, "D", label="paper" if first else None, **style)
    for label in labels:
        rows = frame[frame["label"] == label].itertuples()
        told.append(f"{label}: {', '.join(_said(r, '.2g' if ratio else '+.2f') for r in rows)}.")
    axis.axvline(int(ratio), color="black", lw=1)
    if mark:
        axis.axvline(mark[0], color="black", lw=1, ls="--", label=mark[1])
        told.append(f"A dashed line at {mark[0]:g}: {mark[1]}.")
    axis.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.5, -0.5), xlabel=xlabel)
    if ratio:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2 if len(series) < 5 else 3)
    return figure, f"{xlabel[:1].upper()}{xlabel[1:]}, row by row. " + " ".join(told)


def _said(row: NamedTuple, style: str) -> str:
    paper = getattr(row, "paper", math.nan)
    return f"{row.series} {row.value:{style}}" + ("" if math.isnan(paper) else f", paper {paper:{style}}")
