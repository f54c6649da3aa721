"""The two figures of an audit's page, and how a figure becomes a part of a page: SVG in the page's own colours."""

import html
import io
import re

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairlib.audit.naming import name_dots

BLUE = "#0072B2"  # Okabe and Ito's
WIDTH = 4.8  # inches: on a phone's 360 pixels the letters are still 8 pixels high
INK = ".15"
STYLE = {
    "figure.facecolor": "white",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linestyle": "-",
    "lines.solid_capstyle": "round",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize", "legend.fontsize"), 8),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 7),
    "legend.frameon": False,
}
DOLLARS = [digit * 10**power for power in range(8) for digit in (1, 2, 5)]  # marks of the axis of wealth
NAMED = 2  # countries farthest from the line that bear their names


@matplotlib.rc_context(STYLE)
def accuracy_by_wealth(
    table: pd.DataFrame, line: pd.DataFrame, wealth: str = "GDP per head in US dollars"
) -> tuple[Figure, str]:
    """Accuracy of each country against its GDP per head: the second paper's figure 5a.

    Parameters
    ----------
    table : pandas.DataFrame
        A country table with `name`, `n`, `accuracy`, its 95 % interval `low`, `high`, and `log_gdp`. The colour of a
        dot says how many images its country has; those farthest from the line, and the one with the most images, bear
        their names.
    line : pandas.DataFrame
        The regression and its band, as `fairlib.fairness.band` returns them.
    wealth : str
        What the wealth is, and in which currency.

    Returns
    -------
    figure : matplotlib.figure.Figure
    alt : str
        What it shows, for those who do not see it.
    """
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    axis = figure.subplots()
    error = (table[["low", "high"]].sub(table["accuracy"], axis=0)).abs().T
    axis.errorbar(table["log_gdp"], table["accuracy"], error, fmt="none", ecolor="#8a8a8a", lw=0.7, zorder=1)
    axis.fill_between(line["log_gdp"], line["low"], line["high"], color=BLUE, alpha=0.2, lw=0)
    axis.plot(line["log_gdp"], line["accuracy"], color=BLUE, lw=1.4, zorder=2)
    fewest, most = table["n"].min(), table["n"].max()
    dots = axis.scatter(
        table["log_gdp"], table["accuracy"], c=table["n"], cmap="cividis_r",
        norm=matplotlib.colors.LogNorm(fewest, max(most, fewest + 1)),
        s=22, edgecolors="black", linewidths=0.5, zorder=3,
    )  # fmt: skip
    ticks = [d for d in DOLLARS if table["log_gdp"].min() - 0.4 < np.log(d) < table["log_gdp"].max() + 0.4]
    axis.set_xticks(np.log(ticks), [f"{d:,}" for d in ticks])
    axis.set(title="", xlabel=f"{wealth}, log scale", ylabel="accuracy")
    if fewest < most:  # one number needs no scale
        bar = figure.colorbar(dots, ax=axis, label="images")
        shown = sorted({int(n) for n in (fewest, np.sqrt(fewest * most), most)})
        bar.set_ticks(shown, labels=[f"{n:,}" for n in shown])
        bar.minorticks_off()
    _name_countries(axis, table, line)
    poorest, richest = line["accuracy"].iloc[0], line["accuracy"].iloc[-1]
    return figure, (
        f"Accuracy by country against {wealth.removesuffix(' in US dollars')}, with a regression line and its band. "
        f"{len(table)} countries, "
        f"{table['accuracy'].min():.2f} to {table['accuracy'].max():.2f}; the line goes from {poorest:.2f} (poorest) "
        f"to {richest:.2f} (richest)."
    )


def _name_countries(axis: Axes, table: pd.DataFrame, line: pd.DataFrame) -> None:
    """Write names beside the dots farthest from the line, and beside the one with the most images."""
    distance = (table["accuracy"] - np.interp(table["log_gdp"], line["log_gdp"], line["accuracy"])).abs()
    keys = list(dict.fromkeys([*distance.nlargest(NAMED).index, table["n"].idxmax()]))  # each once
    dots = table[["log_gdp", "accuracy"]]
    name_dots(
        axis, dots.loc[keys].to_numpy(), table["name"][keys], dots.to_numpy(), line[["log_gdp", "accuracy"]].to_numpy()
    )


@matplotlib.rc_context(STYLE)
def like_with_like(table: pd.DataFrame, slope: float) -> tuple[Figure, str]:
    """How much more accurate each country is than the images of the same classes, against how much wealthier it is.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per country: `name`, `n`, `wealthier` and `more_accurate`, as `fairlib.audit.images.beside_class` returns.
    slope : float
        Of the primary analysis; its line goes through (0, 0).

    Returns
    -------
    figure : matplotlib.figure.Figure
    alt : str
        What it shows, for those who do not see it.
    """
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    axis = figure.subplots()
    ends = np.array([table["wealthier"].min(), table["wealthier"].max()])
    for line in (axis.axhline, axis.axvline):
        line(0, color=INK, lw=0.7, ls=":")
    axis.plot(ends, 100 * slope * ends, color=BLUE, lw=1.4, zorder=2)
    area = 6 + 60 * table["n"] / table["n"].max()
    axis.scatter(
        table["wealthier"], 100 * table["more_accurate"], s=area, color="#E69F00", edgecolors="black", lw=0.5, zorder=3
    )
    far = (table["more_accurate"] - slope * table["wealthier"]).abs().nlargest(NAMED).index
    axis.set(xlabel="log wealth above the same classes' images", ylabel="points of accuracy above them")
    dots = table[["wealthier", "more_accurate"]].assign(more_accurate=100 * table["more_accurate"])
    name_dots(
        axis, dots.loc[far].to_numpy(), table["name"][far], dots.to_numpy(), np.column_stack([ends, 100 * slope * ends])
    )
    return figure, (
        f"Accuracy of {len(table)} countries above that of all images of the same classes, from "
        f"{100 * table['more_accurate'].min():.1f} to {100 * table['more_accurate'].max():.1f} points, against their "
        f"log wealth above that of these images. The line of the primary analysis rises by {100 * slope:.1f} points a "
        "unit."
    )


@matplotlib.rc_context(STYLE)
def power_curve(curve: pd.DataFrame, detectable: float | None) -> tuple[Figure, str]:
    """How often the paper's test finds a slope, by the true slope.

    Parameters
    ----------
    curve : pandas.DataFrame
        `slope`, and the `share` of simulated samples in which it is found, with its 95 % interval `low`, `high`.
    detectable : float or None
        Where an upright dotted line stands; one across is at the level 0.05.

    Returns
    -------
    figure : matplotlib.figure.Figure
    alt : str
        What it shows, for those who do not see it.
    """
    name = "GLS, 1/sqrt(n) (paper)"
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axis = figure.subplots()
    axis.plot(curve["slope"], curve["share"], label=name, markersize=3.5, lw=1.2, color=BLUE, marker="o")
    axis.fill_between(curve["slope"], curve["low"], curve["high"], color=BLUE, alpha=0.15, lw=0)
    axis.axhline(0.05, color="black", ls=":", lw=1)
    if detectable is not None:
        axis.axvline(detectable, color="black", ls=":", lw=1)
    axis.set(title="", xlabel="true slope", ylabel="share of worlds rejected", ylim=(0, None))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    first, last = curve.iloc[0], curve.iloc[-1]
    return figure, (
        f"Shares of simulated worlds in which a test rejects. {name}: {first['share']:.2f} at {first['slope']:g}, "
        f"{last['share']:.2f} at {last['slope']:g}."
    )


def svg(figure: Figure, alt: str, name: str) -> str:
    """A figure as an SVG element that follows the page's colours.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        What the element says to those who do not see it.
    name : str
        Keeps the element's ids apart from those of other figures.

    Returns
    -------
    str
    """
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", drawn)
    drawn = re.sub(r"#(?:262626|000000)\b", "currentColor", drawn).replace("#dddddd", "var(--rule)")
    # Letters have the SVG's default colour, black, unless told otherwise.
    label = f'role="img" fill="currentColor" aria-label="{html.escape(alt)}"'
    return drawn.replace("<svg ", f"<svg {label} ", 1)
