"""Figures of the first paper's curves: accuracy against eps, time against size, and what an attacker climbs."""

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from fairlib.book.plots.style import COLOURS, MARKERS, PAPER, grid, legend_below, styled, without_empty
from fairlib.intervals import sampling_range


@styled
def accuracy_curves(
    panels: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame] | None = None,
    *,
    columns: int = 2,
    chance: float | None = None,
) -> tuple[Figure, str]:
    """Accuracy against eps, a panel per key: our curves with their bands, the paper's values as grey marks.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `eps`, `method`, `accuracy`, and the ends of its 95 % interval, `low` and `high`; by title.
    published : mapping of str to pandas.DataFrame, optional
        Rows of `eps`, `method`, `accuracy`, `n`, by the same titles; drawn with the range that sampling n images
        allows around the accuracy.
    columns : int
        Panels side by side.
    chance : float, optional
        An accuracy to mark by a dotted line.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // columns)
    figure, axes = grid(rows, columns, 0.6 + 1.7 * rows)
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=False):
        for method, curve in frame.groupby("method", sort=False):
            style = {"color": COLOURS[method], "marker": MARKERS[method], "markevery": max(1, len(curve) // 6)}
            axis.plot(curve["eps"], curve["accuracy"], label=method, markersize=3, **style)
            axis.fill_between(curve["eps"], curve["low"], curve["high"], color=COLOURS[method], alpha=0.2, lw=0)
        if published is not None:
            for method, points in published[title].groupby("method", sort=False):
                ranges = [sampling_range(a, n) for a, n in zip(points["accuracy"], points["n"], strict=True)]
                error = np.abs(np.array(ranges).T - points["accuracy"].to_numpy())
                axis.errorbar(
                    points["eps"], points["accuracy"], error, color=PAPER, fmt=MARKERS[method], markersize=3,
                    markerfacecolor="white", lw=1, label=f"{method}, paper",
                )  # fmt: skip
        if chance is not None:
            axis.axhline(chance, color="black", ls=":", lw=1, label="chance")
        axis.set(title=title, xlabel="eps", ylabel="accuracy", ylim=(-0.02, 1.02))
    without_empty(axes, len(panels))
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)))
    return figure, f"Accuracy against eps, {len(panels)} panels. " + " ".join(map(_describe, panels, panels.values()))


def _describe(title: str, frame: pd.DataFrame) -> str:
    ends = [
        f"{method} from {curve['accuracy'].iloc[0]:.2f} at eps {curve['eps'].iloc[0]:.2f} "
        f"to {curve['accuracy'].iloc[-1]:.2f} at {curve['eps'].iloc[-1]:.2f}"
        for method, curve in frame.groupby("method", sort=False)
    ]
    return f"{title}: {', '.join(ends)}."


SCALING = {  # line by line of `scaling`
    "1,000 images": {"color": COLOURS["defended"], "marker": "s"},
    "1 image": {"color": COLOURS["defended"], "marker": "o", "ls": "--", "markerfacecolor": "white"},
    "counted": {"color": "black", "ls": ":"},
    "as printed, 1 image": {"color": "#009E73", "marker": "^"},
    "as printed, counted": {"color": "#009E73", "ls": ":"},
    "timed": {"color": COLOURS["defended"], "marker": "s", "ls": ""},
    "power law": {"color": "black", "lw": 0.8},
}


@styled
def scaling(panels: Mapping[tuple[str, str], pd.DataFrame]) -> tuple[Figure, str]:
    """Curves on log-log axes, where a power law is a line.

    Parameters
    ----------
    panels : mapping of tuple of str to pandas.DataFrame
        Rows of `line` (a key of `SCALING`), `size`, `value`, `low`, `high`, by the names of the axes (x, y).

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, len(panels), 2.7)
    told = []
    for axis, ((x, y), frame) in zip(axes.flat, panels.items(), strict=True):
        for line, points in frame.groupby("line", sort=False):
            error = [points["value"] - points["low"], points["high"] - points["value"]]
            axis.errorbar(
                points["size"], points["value"], error, label=line, **{"markersize": 4, "lw": 1.2} | SCALING[line]
            )
            first, last = points.iloc[0], points.iloc[-1]
            told.append(f"{y}, {line}: {first.value:.2g} at {first['size']:g}, {last.value:.2g} at {last['size']:g}.")
        axis.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
        axis.set_xticks(
            sizes := sorted(frame["size"].unique()),
            [f"{size:g}" if size < 1e4 else f"{size / 1e3:.0f}k" for size in sizes],
            minor=False,
        )
        axis.minorticks_off()
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
    handles = {label: h for axis in axes.flat for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return figure, "Log-log curves. " + " ".join(told)


GRADIENTS = {  # lines of `rounding`
    "naive": {"label": "float32, naive", "color": "#CC79A7", "marker": "s", "ls": "--"},
    "exact": {"label": "float32, exact", "color": COLOURS["defenseless"], "marker": "o"},
    "float64": {"label": "float64", "color": "black", "marker": "x", "ls": ":", "zorder": 3},
}


@styled
def rounding(panels: Mapping[str, pd.DataFrame], *, columns: int = 3) -> tuple[Figure, str]:
    """Accuracy against eps, one panel per key, a line for each way to take FGSM's gradient, with 95 % bands.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `gradient` (a key of `GRADIENTS`), `eps`, `accuracy`, `low`, `high`, by title; they fill the rows.
    columns : int
        Panels side by side.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // columns)
    figure, axes = grid(rows, columns, 0.7 + 1.7 * rows)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        for gradient, line in frame.groupby("gradient", sort=False):
            style = {"markersize": 4, "lw": 1.2} | GRADIENTS[gradient]
            axis.plot(line["eps"], line["accuracy"], **style)
            axis.fill_between(line["eps"], line["low"], line["high"], color=style["color"], alpha=0.2, lw=0)
        ends = ", ".join(
            f"{GRADIENTS[gradient]['label']} {line['accuracy'].iloc[-1]:.2f}"
            for gradient, line in frame.groupby("gradient", sort=False)
        )
        told.append(f"{title.replace(chr(10), ', ')}: at eps {frame['eps'].max():g} {ends}.")
        axis.set(title=title, xlabel="eps", ylabel="accuracy", ylim=(-0.02, 1.02))
        axis.label_outer()
    legend_below(figure, axes, columns=3)
    return figure, f"Accuracy against eps under FGSM, {len(panels)} panels. " + " ".join(told)


ATTACKERS = {  # lines of `attackers`
    "fgsm": {"ls": "-"},
    "strongest": {"ls": "--", "markerfacecolor": "white"},
}


@styled
def attackers(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Accuracy against eps under two attackers: colour and marker say the method, a solid or dashed line the attacker.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `eps`, `attack` (a key of `ATTACKERS`), `method`, `accuracy`, `low`, `high`, by title; an even number.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // 2)
    figure, axes = grid(rows, 2, 0.9 + 1.9 * rows)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        for (method, attack), line in frame.groupby(["method", "attack"], sort=False):
            style = {"color": COLOURS[method], "marker": MARKERS[method], "markersize": 4} | ATTACKERS[attack]
            axis.plot(line["eps"], line["accuracy"], label=f"{method}, {attack}", **style)
            axis.fill_between(line["eps"], line["low"], line["high"], color=COLOURS[method], alpha=0.15, lw=0)
            at = line.set_index("eps")["accuracy"]
            told.append(f"{title}, {method}, {attack}: {at[0.0]:.2f} at 0, {at[0.1]:.2f} at 0.1, {at[0.2]:.2f} at 0.2.")
        axis.set(title=title, xlabel="eps", ylabel="accuracy", ylim=(-0.02, 1.02))
        axis.label_outer()
    legend_below(figure, axes, columns=2)
    return figure, "Accuracy against eps under an attacker who knows the defence and one who does not. " + " ".join(
        told
    )


@styled
def surrogates(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """What an attacker climbs, along one line through an image.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        By title; the index is the place on the line, the four columns are the tally itself and its surrogates at three
        temperatures, the coolest first.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, len(panels), 2.9)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        tally, *soft = frame.columns
        axis.step(frame.index, frame[tally], color="black", lw=1.5, where="mid", label=tally)
        for column, shade, style in zip(soft, (0.0, 0.45, 0.85), ("--", "-.", ":"), strict=True):
            colour = matplotlib.colormaps["cividis"](shade)
            axis.plot(frame.index, frame[column], color=colour, ls=style, lw=1.4, label=column)
        axis.axhline(0, color="black", lw=0.5)
        axis.set(title=title, xlabel="distance from the image")
        told.append(
            f"{title}: the tally goes from {frame[tally].iloc[0]:+.1f} to {frame[tally].iloc[-1]:+.1f} in steps."
        )
    axes[0, 0].set_ylabel("lead over the true class, votes")
    legend_below(figure, axes, columns=2)
    return figure, "A staircase and smooth curves that follow it, the cooler the closer. " + " ".join(told)
