"""Figures of the second paper's section 3: attacks, judged and rounded, behind defences, and the duality."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogLocator, NullFormatter

from fairlib.book.plots.style import COLOURS, MARKERS, PAPER, grid, legend_below, styled, without_empty

STEPS = {  # lines of `steps`
    "pgd": {"label": "PGD", "color": "#009E73", "marker": "s", "ls": "--"},
    "ssim": {"label": "SSIM", "color": "#CC79A7", "marker": "o", "ls": "-"},
    "ssim, inside": {
        "label": "SSIM, windows inside", "color": "#CC79A7", "marker": "o", "ls": ":", "markerfacecolor": "white",
    },
}  # fmt: skip


@styled
def steps(panels: Mapping[str, pd.DataFrame], ring: float) -> tuple[Figure, str]:
    """Success against mean SSIM, one panel per key, a line per attack along growing L2.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `attack` (a key of `STEPS`), `L2`, `accuracy` (the share of images turned), `low`, `high`, `SSIM`,
        `SSIM_low`, `SSIM_high`, by title.
    ring : float
        The L2 whose points stand in rings.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, len(panels), 3.0)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        for attack, line in frame.groupby("attack", sort=False):
            error = [abs(line[f"{end}"] - line["accuracy"]) for end in ("low", "high")]
            wide = [abs(line[f"SSIM_{end}"] - line["SSIM"]) for end in ("low", "high")]
            axis.errorbar(line["SSIM"], line["accuracy"], error, wide, markersize=3.5, lw=1.2, **STEPS[attack])
            at = line[line["L2"] == ring].iloc[0]
            axis.plot(
                at["SSIM"], at["accuracy"], "o", markersize=9, markerfacecolor="none", color=STEPS[attack]["color"]
            )
            label = STEPS[attack]["label"]
            told.append(f"{title}, {label}: at L2 {ring:g} {at['accuracy']:.2f} turned, SSIM {at['SSIM']:.2f}.")
        axis.set(title=title, xlabel="SSIM to the original", ylabel="share turned", ylim=(-0.02, 1.02))
        axis.label_outer()
    legend_below(figure, axes, columns=3)
    return figure, "Share of digits turned against SSIM, along growing L2. " + " ".join(told)


@styled
def defences(panels: Mapping[str, pd.DataFrame], names: Mapping[str, str] | None = None) -> tuple[Figure, str]:
    """Success of attacks against a defence's setting, one panel per key, the strongest setting on the right.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `method`, `setting`, `value`, `low`, `high`, by title; the settings stand in the order in which they
        are drawn.
    names : mapping of str to str, optional
        What the methods are called in the figure; left out, as in `method`.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(len(panels), 1, 0.7 + 1.8 * len(panels))
    told, called = [], names or {}
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        settings, methods = list(frame["setting"].unique()), list(frame["method"].unique())
        for i, method in enumerate(methods):
            line, name = frame[frame["method"] == method], called.get(method, method)
            place = line["setting"].map(settings.index) + 0.7 * ((i + 0.5) / len(methods) - 0.5)
            error = [line["value"] - line["low"], line["high"] - line["value"]]
            style = {"color": COLOURS[method], "marker": MARKERS[method], "ls": ":" if method == "none" else "-"}
            axis.errorbar(place, line["value"], error, label=name, markersize=4, lw=0.8, elinewidth=0.5, **style)
            first, last = line.iloc[0], line.iloc[-1]
            told.append(f"{title} {first.setting} to {last.setting}, {name}: {first.value:.2f} to {last.value:.2f}.")
        axis.set(xlabel=title, ylabel="success", ylim=(-0.02, 1.02), xticks=range(len(settings)), xticklabels=settings)
        axis.grid(axis="x", visible=False)
    legend_below(figure, axes, columns=3 if names else 4)
    return figure, "Success of attacks behind a defence, weakest setting first. " + " ".join(told)


ROUNDINGS = {  # markers of `roundings`
    "floor": {"marker": "v", "color": "#D55E00"},
    "round": {"marker": "o", "color": "#0072B2"},
    "straight_through": {"marker": "s", "color": "#009E73"},
}


@styled
def roundings(measured: pd.DataFrame, published: pd.DataFrame, walk: pd.DataFrame) -> tuple[Figure, str]:
    """L2 and Linf against L1 of attacked images, on logarithmic axes, a row of panels for each attack.

    Parameters
    ----------
    measured : pandas.DataFrame
        Rows of `method` (`pgd`, else Algorithm 1), `quantise` (a key of `ROUNDINGS`), `L1`, `L2`, `Linf`, an open mark
        per image; attacks that change nothing are left out.
    published : pandas.DataFrame
        `L1`, `L2`, `Linf` of the paper, in grey; the index names the methods.
    walk : pandas.DataFrame
        `L1`, `L2`, `Linf` as derived, in the order of L1, a line.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(2, 2, 3.6)
    for above, below in axes.T:
        below.sharex(above)
        below.sharey(above)
    measured = measured[measured["L1"] > 0]
    attack = measured["method"].eq("pgd").map({True: "PGD", False: "Algorithm 1"})
    printed = published.groupby(published.index == "pgd")
    for row, name in zip(axes, ("PGD", "Algorithm 1"), strict=True):
        for axis, norm in zip(row, ("L2", "Linf"), strict=True):
            for quantise, points in measured[attack == name].groupby("quantise", sort=False):
                style = {"s": 10, "facecolors": "none", "marker": ROUNDINGS[quantise]["marker"], "lw": 0.7}
                axis.scatter(
                    points["L1"], points[norm], edgecolors=ROUNDINGS[quantise]["color"],
                    label=quantise.replace("_", " "), **style,
                )  # fmt: skip
            axis.plot(walk["L1"], walk[norm], color="black", lw=1, label="floor, derived")
            paper = printed.get_group(name == "PGD")
            axis.plot(paper["L1"], paper[norm], "D", color=PAPER, markersize=5, label="paper")
            axis.set(xscale="log", yscale="log", xlabel="L1", title=f"{name}, {norm}")
            axis.label_outer()
            axis.tick_params(labelleft=True)
    legend_below(figure, axes, columns=3)
    told = [
        f"{name}, {q}: median L1 {g['L1'].median():.3g}, L2 {g['L2'].median():.2g}, Linf {g['Linf'].median():.2g}"
        for (name, q), g in measured.groupby([attack, "quantise"], sort=False)
    ]
    told += [f"paper, {m}: {r.L1:.0f}, {r.L2:.2f}, {r.Linf:.3f}" for m, r in published.iterrows()]
    return figure, f"L2 and Linf against L1 of attacked images, rounding by rounding. {'; '.join(told)}."


@styled
def beside_paper(panels: Mapping[str, pd.DataFrame], names: Mapping[str, str] | None = None) -> tuple[Figure, str]:
    """The means here with their intervals and the paper's values, a row per method, on logarithmic axes.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        `value`, `low`, `high`, `paper`, by title; the index names the methods.
    names : mapping of str to str, optional
        What the methods are called in the figure; left out, as in the index.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(-(-len(panels) // 2), 2, 0.4 + 1.6 * -(-len(panels) // 2))
    told, called = [], names or {}
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=False):
        for row, r in enumerate(frame.itertuples()):
            axis.plot(r.paper, row - 0.2, "D", color=PAPER, markerfacecolor="white", markersize=4)
            error = [[r.value - r.low], [r.high - r.value]]
            axis.errorbar(
                r.value, row + 0.15, xerr=error, color=COLOURS[r.Index], marker=MARKERS[r.Index], markersize=4
            )
            told.append(f"{title}, {called.get(r.Index, r.Index)}: {r.value:.3g}, paper {r.paper:.3g}.")
        labels = [called.get(method, method) for method in frame.index]
        axis.set(xscale="log", title=title, yticks=range(len(frame)), yticklabels=labels)
        axis.set_ylim(len(frame) - 0.5, -0.5)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.label_outer()
        axis.tick_params(labelbottom=True)
    without_empty(axes, len(panels))
    return figure, "Means here in colour beside the paper's values as grey diamonds. " + " ".join(told)


@styled
def duality(place: np.ndarray, loss: np.ndarray, plan: np.ndarray, curve: pd.Series) -> tuple[Figure, str]:
    """Left, where a plan moves the data on a line of places and their losses; right, the dual against lambda.

    Parameters
    ----------
    place, loss : numpy.ndarray
        The m places and the loss at each, (m,).
    plan : numpy.ndarray
        How much of each of the n data goes where, (n, m).
    curve : pandas.Series
        The dual's values, by lambda.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, 2, 2.6)
    left, right = axes.flat
    left.plot(place, loss, "o-", color="black", markersize=3, lw=0.8)
    left.set(xlabel="place", ylabel="loss")
    low = loss.min()
    left.bar(place, plan.sum(0), width=0.04, bottom=low - 0.6, color=COLOURS["ours_a=0"], label="worst case, mass")
    left.legend(loc="upper left")
    right.plot(curve.index, curve, color=COLOURS["ours_a=0"], label="dual (3)")
    right.plot(curve.idxmin(), curve.min(), "o", color="black", markersize=4)
    right.axhline(plan.sum(0) @ loss, color="black", ls="--", lw=1, label="primal (2)")
    right.set(xlabel="lambda", ylabel="expected loss")
    right.legend(loc="upper right")
    alt = (
        f"Left: losses on a line and the worst case, with mass on {int((plan.sum(0) > 1e-9).sum())} places. "
        f"Right: the dual against lambda touches the primal value {plan.sum(0) @ loss:.3f} at {curve.idxmin():.1f}."
    )
    return figure, alt


@styled
def swept(
    panels: Mapping[str, pd.DataFrame], xlabel: str, names: Mapping[str, str] | None = None
) -> tuple[Figure, str]:
    """Positive numbers against a weight from 0 over decades, one panel per key, a line per method with its intervals.

    Parameters
    ----------
    panels : mapping of str to pandas.DataFrame
        Rows of `method`, `x` (the weight; zero stands left of the smallest), `value`, `low`, `high`, by title.
    xlabel : str
        What the weight is.
    names : mapping of str to str, optional
        What the methods are called in the figure; left out, as in `method`.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // 2)
    figure, axes = grid(rows, 2, 0.6 + 1.7 * rows)
    told, called = [], names or {}
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=False):
        for method, line in frame.groupby("method", sort=False):
            error = [line["value"] - line["low"], line["high"] - line["value"]]
            style = {"color": COLOURS[method], "marker": MARKERS[method], "markersize": 5, "lw": 1}
            axis.errorbar(line["x"], line["value"], error, label=called.get(method, method), **style)
            values = ", ".join(f"{v:.3g} at {x:g}" for x, v in zip(line["x"], line["value"], strict=True))
            told.append(f"{title}, {called.get(method, method)}: {values}.")
        axis.set_xscale("symlog", linthresh=frame.loc[frame["x"] > 0, "x"].min(), linscale=0.5)
        axis.set(title=title, xlabel=xlabel, yscale="log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    without_empty(axes, len(panels))
    legend_below(figure, axes, columns=4)
    return figure, f"Against {xlabel}. " + " ".join(told)
