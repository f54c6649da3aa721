"""Figures of the second paper's section 4: countries and wealth, tests, and training on the worst case."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from fairlib.book.plots.style import COLOURS, grid, styled

DOLLARS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)


@styled
def wealth(panels: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], label: int = 2) -> tuple[Figure, str]:
    """Accuracy of each country against its GDP per head: the second paper's figure 5a.

    Parameters
    ----------
    panels : mapping of str to tuple of pandas.DataFrame
        By title a country table (`fairlib.fairness.country_table`, which may have a `name`) and a line with its band
        (`fairlib.fairness.band`). The colour of a dot says how many images its country has.
    label : int
        So many countries farthest from the line, and the one with the most images, bear their names.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(len(panels), 1, 0.3 + 2.4 * len(panels))
    counts = np.concatenate([table["n"] for table, _ in panels.values()])
    shade = matplotlib.colors.LogNorm(counts.min(), max(counts.max(), counts.min() + 1))
    told = []
    for axis, (title, (table, line)) in zip(axes.flat, panels.items(), strict=True):
        error = (table[["low", "high"]].sub(table["accuracy"], axis=0)).abs().T
        axis.errorbar(table["log_gdp"], table["accuracy"], error, fmt="none", ecolor="#8a8a8a", lw=0.7, zorder=1)
        axis.fill_between(line["log_gdp"], line["low"], line["high"], color=COLOURS["defenseless"], alpha=0.2, lw=0)
        axis.plot(line["log_gdp"], line["accuracy"], color=COLOURS["defenseless"], lw=1.4, zorder=2)
        style = {"c": table["n"], "cmap": "cividis_r", "norm": shade, "s": 22, "edgecolors": "black", "linewidths": 0.5}
        dots = axis.scatter(table["log_gdp"], table["accuracy"], **style, zorder=3)
        away = (table["accuracy"] - np.interp(table["log_gdp"], line["log_gdp"], line["accuracy"])).abs()
        names = table["name"] if "name" in table else pd.Series(table.index, table.index)
        for key in {*away.nlargest(label).index, table["n"].idxmax()}:
            right = table["log_gdp"][key] > table["log_gdp"].mean()
            axis.annotate(
                str(names[key]), (table["log_gdp"][key], table["accuracy"][key]), xytext=(-4 if right else 4, 3),
                textcoords="offset points", ha="right" if right else "left", fontsize=7,
            )  # fmt: skip
        ticks = [d for d in DOLLARS if table["log_gdp"].min() - 0.4 < np.log(d) < table["log_gdp"].max() + 0.4]
        axis.set_xticks(np.log(ticks), [f"{d:,}" for d in ticks])
        axis.set(title=title, xlabel="GDP per head in US dollars, log scale", ylabel="accuracy")
        bar = figure.colorbar(dots, ax=axis, label="images")
        shown = sorted({int(n) for n in (counts.min(), np.sqrt(counts.min() * counts.max()), counts.max())})
        bar.set_ticks(shown, labels=[f"{n:,}" for n in shown])
        bar.minorticks_off()
        ends = line.iloc[[0, -1]]
        told.append(
            f"{title}: {len(table)} countries, {table['accuracy'].min():.2f} to {table['accuracy'].max():.2f}; "
            f"the line goes from {ends['accuracy'].iloc[0]:.2f} (poorest) to {ends['accuracy'].iloc[1]:.2f} (richest)."
        )
    return figure, "Accuracy by country against GDP per head, with a regression line and its band. " + " ".join(told)


TOLD = {  # methods of fairlib.fairness, in words
    "gls": "GLS, 1/sqrt(n) (paper)", "wls": "weights n", "ols": "equal weights", "hc3": "GLS with HC3",
    "meta": "meta-regression",
}  # fmt: skip


@styled
def perception() -> tuple[Figure, str]:
    """What machines and humans perceive, before and after training on the worst case: the second paper's figure 1a.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, 2, 2.1)
    for axis, title, machine in zip(axes.flat, ("before", "after"), ((0.9, 0.05), (0.2, -0.1)), strict=True):
        circles = {
            "human perception": ((0, 0), 1.0, "#0072B2", "-"),
            "machine perception": (machine, 1.0, "#D55E00", "--"),
            "imperceptible\nattacks": ((1.5, 0.2), 0.28, "#009E73", ":"),
            "perceptible\nattacks": ((0.42, 0.35), 0.42, "black", "-."),
        }
        for (x, y), radius, colour, line in circles.values():
            axis.add_patch(Circle((x, y), radius, facecolor="none", edgecolor=colour, ls=line, lw=1.6))
        texts = {
            "human perception": (-0.35, 1.12), "machine perception": (machine[0] + 0.35, machine[1] - 1.16),
            "imperceptible\nattacks": (1.8, 0.75), "perceptible\nattacks": (0.42, 0.35),
        }  # fmt: skip
        for name, (x, y) in texts.items():
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axis.text(x, y, name, color=circles[name][2], ha="center", va="center", fontsize=7, bbox=box)
        axis.set(title=title, xlim=(-1.1, 2.25), ylim=(-1.35, 1.25), aspect="equal")
        axis.axis("off")
    return figure, (
        "Two panels of circles. Before: the circles of human and machine perception overlap in part; a small circle of "
        "imperceptible attacks lies inside machine perception only, one of perceptible attacks inside both. After: the "
        "circle of machine perception has moved towards the human one, and the imperceptible attacks lie outside both."
    )


@styled
def data_weights(P: Sequence[float], law: Sequence[float]) -> tuple[Figure, str]:
    """The weights of D_rob in order, and under them the share of the sampling law on each part.

    Parameters
    ----------
    P : sequence of float
        The weights, (M,).
    law : sequence of float
        The shares, (T1 + 1,): of the images, then of each iteration's attacks.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, 1, 2.2)
    axis, N = axes[0, 0], len(P) // len(law)
    axis.plot(np.arange(1, len(P) + 1), P, color=COLOURS["defended"], lw=1.6)
    names = ["images", *(f"iteration {k}" for k in range(1, len(law)))]
    for k, (name, share) in enumerate(zip(names, law, strict=True)):
        if k % 2:
            axis.axvspan(k * N, (k + 1) * N, color="#eeeeee", zorder=0)
        axis.text((k + 0.5) * N, 1.02 * max(P), f"{name}\n{share:.1%}", ha="center", va="bottom", fontsize=7)
    axis.set(xlabel="place in the data set", ylabel="weight P", xlim=(0, len(P)), ylim=(0, 1.25 * max(P)))
    told = ", ".join(f"{name} {share:.1%}" for name, share in zip(names, law, strict=True))
    return figure, f"The weight is 1 for the images and rises by 1 with every attack, to {max(P):.0f}. Shares: {told}."


SCALED = {  # lines of `step_sizes`, by fairlib.dro.SCALINGS
    "raw": {"color": COLOURS["defended"], "marker": "s"},
    "normalised": {"color": COLOURS["defenseless"], "marker": "o", "ls": "--"},
    "sampling only": {"color": "#009E73", "marker": "^", "ls": ":"},
}


@styled
def step_sizes(frame: pd.DataFrame) -> tuple[Figure, str]:
    """What a round of training leaves, against the learning rate: accuracy of the runs that stay finite, their share.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of `scaling` (a key of `SCALED`), `alpha`, `runs`, `finite`, and `mean`, `lowest`, `highest` accuracy.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, 2, 2.7)
    told = []
    for scaling, line in frame.groupby("scaling", sort=False):
        error = [line["mean"] - line["lowest"], line["highest"] - line["mean"]]
        style = {"markersize": 4, "lw": 1.2} | SCALED[scaling]
        axes[0, 0].errorbar(line["alpha"], line["mean"], error, label=scaling, **style)
        axes[0, 1].plot(line["alpha"], line["finite"] / line["runs"], **style)
        told += [
            f"{scaling}, alpha {r.alpha:g}: {r.finite} of {r.runs} finite"
            + (f", accuracy {r.mean:.2f}." if r.finite else ".")
            for r in line.itertuples()
        ]
    for axis, title in zip(axes.flat, ("accuracy of the finite runs", "share of runs that stay finite"), strict=True):
        axis.set(title=title, xlabel="alpha", xscale="log", ylim=(-0.03, 1.03))
    figure.legend(loc="outside lower center", ncols=3)
    return figure, "Accuracy and share of finite runs against alpha. " + " ".join(told)


ARMS = {  # what the arms of the second paper's figure 5b are called, and their colours
    "plain": ("plain fine-tuning", "#BBBBBB"),
    "noise": ("random noise", "#888888"),
    "pgd": ("PGD (L2)", "#0072B2"),
    "perc": ("PerC", "#E69F00"),
    "ssim": ("SSIM, one step", "#56B4E9"),
    "ours": ("Algorithm 1", "#D55E00"),
}


@styled
def slope_boxes(panels: Mapping[str, Mapping[str, Sequence[float]]], start: float) -> tuple[Figure, str]:
    """Boxes of slopes, a panel per key and a row per arm: the second paper's figure 5b.

    Parameters
    ----------
    panels : mapping of str to mapping of str to sequence of float
        By title the slopes of each arm (a key of `ARMS`).
    start : float
        The slope of the model that every arm starts from, a dashed line.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(1, len(panels), 2.6)
    names = [ARMS[arm][0] for arm in ARMS if any(arm in arms for arms in panels.values())]
    everything = [start, *(v for arms in panels.values() for values in arms.values() for v in values)]
    low, high = min(everything), max(everything)
    told = [f"The model they start from: {start:.4f}."]
    for axis, (title, arms) in zip(axes.flat, panels.items(), strict=True):
        frame = pd.DataFrame([(ARMS[arm][0], v) for arm, values in arms.items() for v in values], columns=["arm", "v"])
        style = {"x": "v", "y": "arm", "hue": "arm", "order": names, "hue_order": names, "ax": axis, "legend": False}
        sns.boxplot(frame, palette=dict(ARMS.values()), saturation=1, fliersize=0, linewidth=0.8, **style)
        for row, name in enumerate(names):
            dots = frame.loc[frame["arm"] == name, "v"]
            axis.plot(dots, row + np.resize([-0.18, 0.06, -0.06, 0.18], len(dots)), "k.", markersize=2)
        axis.axvline(start, color="black", ls="--", lw=1.2)
        ends = (low - 0.05 * (high - low), high + 0.05 * (high - low))
        axis.set(title=title, xlabel="slope", ylabel="", xlim=ends, ylim=(len(names) - 0.5, -0.5))
        axis.label_outer()
        told += [
            f"{title}, {ARMS[arm][0]}: median {np.median(v):.4f}, {np.min(v):.4f} to {np.max(v):.4f}."
            for arm, v in arms.items()
        ]
    return figure, "Boxes of the slope of accuracy on log GDP, an arm per row. " + " ".join(told)
