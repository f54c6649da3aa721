"""The book's figures: each function returns a figure and its alt text; `show` puts both on the page.

Colours are Okabe and Ito's, one per method in the whole book; the papers' own values are always the same neutral grey.
"""

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Image, display
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import LogFormatter, LogLocator, NullFormatter
from torch import Tensor

from fairlib.intervals import sampling_range

PAPER = "#767676"
COLOURS = {
    "defenseless": "#0072B2",
    "defended": "#D55E00",
    "loose": "#E69F00",
    "perc_al": "#E69F00",
    "pgd": "#0072B2",
    "ppgd": "#CC79A7",
    "lpa": "#009E73",
    **dict.fromkeys(("ours_a=0", "ours_a=1", "ours_a=5"), "#D55E00"),
    "none": "black",
}
MARKERS = {
    **{"defenseless": "o", "defended": "s", "loose": "^"},
    **{"perc_al": "v", "pgd": "o", "ppgd": "^", "lpa": "D", "ours_a=0": "s", "ours_a=1": "P", "ours_a=5": "*"},
    "none": "x",
}
WIDTH = 4.8  # inches: on a phone's 360 pixels the letters are still 8 pixels high
STYLE = {
    **sns.axes_style("ticks", {"axes.grid": True, "grid.color": "#dddddd"}),
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize", "legend.fontsize"), 8),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 7),
    "legend.frameon": False,
}
styled = matplotlib.rc_context(STYLE)  # the decorator of every figure


def show(figure: Figure, alt: str) -> None:
    """Display a figure as a PNG that carries its alt text. Raises ValueError when there is none."""
    if not alt.strip():
        raise ValueError("alt is empty, expected a sentence that says what the figure shows")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=200, bbox_inches="tight", facecolor="white", metadata={"Software": None})
    display(Image(png.getvalue(), alt=alt))


def _grid(rows: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


@styled
def images(rows: Mapping[str, Tensor], names: Sequence[str], alt: str, *, side: float = 0.5) -> tuple[Figure, str]:
    """Rows of grey images: each key of `rows` labels (n, 1, H, W) pixels in [0, 1]; `names` heads the n columns.

    side: inches that an image is high.
    """
    figure, axes = _grid(len(rows), len(names), 0.5 + side * len(rows))
    for axis_row, (label, pixels) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(axis_row, pixels, strict=True):
            axis.imshow(image[0].cpu(), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
        axis_row[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, rotation=30, ha="left", x=0.1)
    return figure, alt


@styled
def accuracy_curves(
    panels: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame] | None = None,
    *,
    columns: int = 2,
    chance: float | None = None,
) -> tuple[Figure, str]:
    """Accuracy against eps, one panel per key: our curves with their 95 % bands, the paper's values as grey marks.

    Each frame has `eps`, `method`, `accuracy`, `low`, `high`; a published one has `eps`, `method`, `accuracy`, `n`,
    drawn with the range that sampling n images allows around it.
    """
    rows = -(-len(panels) // columns)
    figure, axes = _grid(rows, columns, 0.6 + 1.7 * rows)
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
    for axis in axes.flat[len(panels) :]:
        axis.remove()
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


@styled
def votes(
    panels: Mapping[str, Tensor], alpha: Tensor, taps: Sequence[str], classes: Sequence[str]
) -> tuple[Figure, str]:
    """Distances (L, K) of one image to each centroid at each tap, one panel per key; a vote is a framed cell."""
    figure, axes = _grid(len(panels), 1, len(panels) * (0.5 + 0.2 * len(taps)))
    told = []
    for axis, (title, distance) in zip(axes.flat, panels.items(), strict=True):
        distance = distance.cpu()
        fair = distance <= alpha.cpu()
        sns.heatmap(
            distance, ax=axis, cmap="cividis_r", vmin=0, vmax=0.6, annot=True, fmt=".1f", annot_kws={"size": 7},
            cbar=False, xticklabels=classes, yticklabels=taps,
        )  # fmt: skip
        for tap, c in fair.nonzero().tolist():
            axis.add_patch(Rectangle((c, tap), 1, 1, fill=False, edgecolor="black", lw=1.6))
        axis.set_title(title)
        axis.tick_params(length=0)
        tally = fair.sum(0)
        most = [str(c) for c, t in zip(classes, tally, strict=True) if t == tally.max()]
        told.append(f"{title}: {int(tally.max())} of {len(taps)} votes for {', '.join(most)}.")
    return figure, "Heat maps of the distance to each class's centroid, layer by layer. " + " ".join(told)


@styled
def trainings(measured: pd.DataFrame, published: pd.DataFrame) -> tuple[Figure, str]:
    """Accuracies of independent trainings as dots, one row per network and data set; the paper's value in grey.

    `measured` has `network`, `dataset`, `accuracy`; `published` has the same and `n`.
    """
    figure, axes = _grid(1, 1, 2.6)
    axis, told = axes[0, 0], []
    names = [f"{r.network}, {r.dataset}" for r in published.itertuples()]
    for row, paper in enumerate(published.itertuples()):
        low, high = sampling_range(paper.accuracy, paper.n)
        error = [[paper.accuracy - low], [high - paper.accuracy]]
        axis.errorbar(
            paper.accuracy, row + 0.18, xerr=error, color=PAPER, fmt="D", markerfacecolor="white", markersize=5
        )
        dots = measured.query("network == @paper.network and dataset == @paper.dataset")["accuracy"]
        axis.plot(dots, np.full(len(dots), row - 0.12), "|", color=COLOURS["defenseless"], markersize=12, mew=1.5)
        told.append(f"{names[row]}: {dots.min():.2f} to {dots.max():.2f}, paper {paper.accuracy:.2f}.")
    axis.set(yticks=range(len(names)), yticklabels=names, xlabel="clean accuracy", ylim=(len(names) - 0.5, -0.5))
    return figure, "Clean accuracies of repeated trainings beside the paper's. " + " ".join(told)


SCALING = {  # line by line of `scaling`
    "1,000 images": {"color": COLOURS["defended"], "marker": "s"},
    "1 image": {"color": COLOURS["defended"], "marker": "o", "ls": "--", "markerfacecolor": "white"},
    "counted": {"color": "black", "ls": ":"},
    "as printed, 1 image": {"color": "#009E73", "marker": "^"},
    "as printed, counted": {"color": "#009E73", "ls": ":"},
}


@styled
def scaling(panels: Mapping[tuple[str, str], pd.DataFrame]) -> tuple[Figure, str]:
    """Curves on log-log axes, where a power law is a line; a panel per pair of axis names (x, y).

    Each frame has `line` (a key of `SCALING`), `size`, `value`, `low`, `high`.
    """
    figure, axes = _grid(1, len(panels), 2.7)
    told = []
    for axis, ((x, y), frame) in zip(axes.flat, panels.items(), strict=True):
        for line, points in frame.groupby("line", sort=False):
            error = [points["value"] - points["low"], points["high"] - points["value"]]
            axis.errorbar(points["size"], points["value"], error, label=line, markersize=4, lw=1.2, **SCALING[line])
            first, last = points.iloc[0], points.iloc[-1]
            told.append(f"{y}, {line}: {first.value:.2g} at {first['size']:g}, {last.value:.2g} at {last['size']:g}.")
        axis.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
        axis.set_xticks(sizes := sorted(frame["size"].unique()), [f"{size:g}" for size in sizes], minor=False)
        axis.minorticks_off()
    handles = {label: h for axis in axes.flat for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return figure, "Log-log curves. " + " ".join(told)


VERDICTS = {  # colour and hatching, so that colour is not the only sign
    "reproduced": ("#009E73", ""),
    "partly": ("#E69F00", "//"),
    "not reproduced": ("#D55E00", "xx"),
    "only with the released bug": ("#CC79A7", ".."),
    "not testable here": ("#BBBBBB", "--"),
    "not yet run": ("#FFFFFF", ""),
}


@styled
def verdicts(counts: pd.DataFrame) -> tuple[Figure, str]:
    """Claims by verdict as stacked bars: `counts` has a row per verdict, a column per paper."""
    figure, axes = _grid(1, 1, 2.1)
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


GRADIENTS = {  # lines of `rounding`
    "naive": {"label": "float32, naive", "color": "#CC79A7", "marker": "s", "ls": "--"},
    "exact": {"label": "float32, exact", "color": COLOURS["defenseless"], "marker": "o"},
    "float64": {"label": "float64", "color": "black", "marker": "x", "ls": ":", "zorder": 3},
}


@styled
def rounding(panels: Mapping[str, pd.DataFrame], *, columns: int = 3) -> tuple[Figure, str]:
    """Accuracy against eps, one panel per key, a line for each way to take FGSM's gradient, with 95 % bands.

    Each frame has `gradient` (a key of `GRADIENTS`), `eps`, `accuracy`, `low`, `high`.
    """
    rows = -(-len(panels) // columns)
    figure, axes = _grid(rows, columns, 0.7 + 1.7 * rows)
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
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure, f"Accuracy against eps under FGSM, {len(panels)} panels. " + " ".join(told)


ATTACKERS = {  # lines of `attackers`
    "fgsm": {"ls": "-"},
    "strongest": {"ls": "--", "markerfacecolor": "white"},
}


@styled
def attackers(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Accuracy against eps, one panel per key: colour and marker say the method, a solid or dashed line the attacker.

    Each frame has `eps`, `attack` (a key of `ATTACKERS`), `method`, `accuracy`, `low`, `high`.
    """
    rows = -(-len(panels) // 2)
    figure, axes = _grid(rows, 2, 0.9 + 1.9 * rows)
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
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure, "Accuracy against eps under an attacker who knows the defence and one who does not. " + " ".join(
        told
    )


@styled
def surrogates(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """What an attacker climbs, along one line through an image: a panel per key.

    Each frame has the place on the line as its index and four columns: the tally itself, and its surrogates at three
    temperatures, the coolest first.
    """
    figure, axes = _grid(1, len(panels), 2.9)
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
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure, "A staircase and smooth curves that follow it, the cooler the closer. " + " ".join(told)


RULES = {  # markers of `recall`
    "lowest": {"fmt": "s", "markerfacecolor": COLOURS["defended"]},
    "random": {"fmt": "o", "markerfacecolor": "white"},
    "highest": {"fmt": "^", "markerfacecolor": "white"},
}


@styled
def recall(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Share of each class that the defence finds, one panel per key, a marker per rule for ties.

    Each frame has `class` (0, 1, ...), `rule` (a key of `RULES`), `accuracy`, `low`, `high`.
    """
    rows = -(-len(panels) // 2)
    figure, axes = _grid(rows, 2, 0.9 + 1.9 * rows)
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
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure, "Recall of each class under three rules for ties. " + " ".join(told)


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
}


@styled
def tradeoff(panels: Mapping[str, pd.DataFrame], xlabel: str, ylabel: str) -> tuple[Figure, str]:
    """One accuracy against another, one panel per key, a marker per variant with both its intervals.

    Each frame has `variant` (a key of `VARIANTS`), `x`, `x_low`, `x_high`, `y`, `y_low`, `y_high`.
    """
    rows = -(-len(panels) // 2)
    figure, axes = _grid(rows, 2, 1.0 + 1.9 * rows)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        for p in frame.itertuples():
            error = {"xerr": [[p.x - p.x_low], [p.x_high - p.x]], "yerr": [[p.y - p.y_low], [p.y_high - p.y]]}
            axis.errorbar(p.x, p.y, **error, label=p.variant, markersize=5, lw=1, **VARIANTS[p.variant])
            told.append(f"{title}, {p.variant}: {p.x:.2f}, {p.y:.2f}.")
        axis.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=(0, 1.02), ylim=(0, 1.02))
        axis.label_outer()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure, f"{xlabel.capitalize()} and {ylabel}. " + " ".join(told)


SERIES = [  # markers of `dots`, in turn
    {"fmt": "o", "color": "#0072B2"},
    {"fmt": "o", "color": "#0072B2", "markerfacecolor": "white"},
    {"fmt": "s", "color": "#D55E00"},
    {"fmt": "s", "color": "#D55E00", "markerfacecolor": "white"},
]


@styled
def dots(frame: pd.DataFrame, xlabel: str) -> tuple[Figure, str]:
    """Numbers with their intervals, a row per `label`, a marker per `series` (four at most), a line at zero.

    `frame` has `label`, `series`, `value`, `low`, `high`; labels and series stand in the order in which they come.
    """
    labels, series = list(frame["label"].unique()), list(frame["series"].unique())
    figure, axes = _grid(1, 1, 0.8 + 0.09 * (1 + len(series)) * len(labels))
    axis, told = axes[0, 0], []
    for i, (name, style) in enumerate(zip(series, SERIES, strict=False)):
        points = frame[frame["series"] == name]
        rows = points["label"].map(labels.index).astype(float) + (i - (len(series) - 1) / 2) / (1 + len(series))
        error = [points["value"] - points["low"], points["high"] - points["value"]]
        axis.errorbar(points["value"], rows, xerr=error, label=name, markersize=3.5, lw=1, **style)
    for label in labels:
        values = ", ".join(f"{p.series} {p.value:+.2f}" for p in frame[frame["label"] == label].itertuples())
        told.append(f"{label}: {values}.")
    axis.axvline(0, color="black", lw=1)
    axis.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.5, -0.5), xlabel=xlabel)
    figure.legend(loc="outside lower center", ncols=2)
    return figure, f"{xlabel.capitalize()}, row by row. " + " ".join(told)


STEPS = {  # lines of `steps`
    "pgd": {"label": "PGD", "color": "#009E73", "marker": "s", "ls": "--"},
    "ssim": {"label": "SSIM", "color": "#CC79A7", "marker": "o", "ls": "-"},
    "ssim, inside": {
        "label": "SSIM, windows inside", "color": "#CC79A7", "marker": "o", "ls": ":", "markerfacecolor": "white",
    },
}  # fmt: skip


@styled
def steps(panels: Mapping[str, pd.DataFrame], ring: float) -> tuple[Figure, str]:
    """Success against mean SSIM, one panel per key, a line per attack along growing L2; `ring` is the L2 in rings.

    Each frame has `attack` (a key of `STEPS`), `L2`, `accuracy` (the share of images turned), `low`, `high`, `SSIM`,
    `SSIM_low`, `SSIM_high`.
    """
    figure, axes = _grid(1, len(panels), 3.0)
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
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure, "Share of digits turned against SSIM, along growing L2. " + " ".join(told)


@styled
def defences(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Success of attacks against a defence's setting, one panel per key, the strongest setting on the right.

    Each frame has `method`, `setting`, `value`, `low`, `high`, its settings in the order in which they are drawn.
    """
    figure, axes = _grid(len(panels), 1, 0.7 + 2.1 * len(panels))
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=True):
        settings, methods = list(frame["setting"].unique()), list(frame["method"].unique())
        for i, method in enumerate(methods):
            line = frame[frame["method"] == method]
            place = line["setting"].map(settings.index) + 0.7 * ((i + 0.5) / len(methods) - 0.5)
            error = [line["value"] - line["low"], line["high"] - line["value"]]
            style = {"color": COLOURS[method], "marker": MARKERS[method], "ls": ":" if method == "none" else "-"}
            axis.errorbar(place, line["value"], error, label=method, markersize=4, lw=0.8, elinewidth=0.5, **style)
            first, last = line.iloc[0], line.iloc[-1]
            told.append(f"{title} {first.setting} to {last.setting}, {method}: {first.value:.2f} to {last.value:.2f}.")
        axis.set(xlabel=title, ylabel="success", ylim=(-0.02, 1.02), xticks=range(len(settings)), xticklabels=settings)
        axis.grid(axis="x", visible=False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure, "Success of attacks behind a defence, weakest setting first. " + " ".join(told)


ROUNDINGS = {  # markers of `roundings`
    "floor": {"marker": "v", "color": "#D55E00"},
    "round": {"marker": "o", "color": "#0072B2"},
    "straight_through": {"marker": "s", "color": "#009E73"},
}


@styled
def roundings(measured: pd.DataFrame, published: pd.DataFrame, walk: pd.DataFrame) -> tuple[Figure, str]:
    """L2 and Linf against L1, an open mark per image and rounding, the paper's rows in grey, and the walk as a line.

    `measured` has `quantise` (a key of `ROUNDINGS`), `published` an index of methods; all have L1, L2, Linf, the walk
    in the order of L1. Attacks that move nothing are left out: the axes are logarithmic.
    """
    figure, axes = _grid(1, 2, 2.9)
    measured = measured[measured["L1"] > 0]
    for axis, norm in zip(axes.flat, ("L2", "Linf"), strict=True):
        for quantise, points in measured.groupby("quantise", sort=False):
            style = {"s": 10, "facecolors": "none", "marker": ROUNDINGS[quantise]["marker"], "lw": 0.7}
            axis.scatter(
                points["L1"], points[norm], edgecolors=ROUNDINGS[quantise]["color"],
                label=quantise.replace("_", " "), **style,
            )  # fmt: skip
        axis.plot(walk["L1"], walk[norm], color="black", lw=1, label="floor, derived")
        axis.plot(published["L1"], published[norm], "D", color=PAPER, markersize=5, label="paper")
        axis.set(xscale="log", yscale="log", xlabel="L1", ylabel=norm)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    told = [f"{q}: median L1 {g['L1'].median():.3g}, L2 {g['L2'].median():.2g}, Linf {g['Linf'].median():.2g}"
            for q, g in measured.groupby("quantise", sort=False)]  # fmt: skip
    told += [f"paper, {m}: {r.L1:.0f}, {r.L2:.2f}, {r.Linf:.3f}" for m, r in published.iterrows()]
    return figure, f"L2 and Linf against L1 of attacked images, rounding by rounding. {'; '.join(told)}."


@styled
def photographs(panels: Mapping[str, Tensor], alt: str, *, columns: int = 4) -> tuple[Figure, str]:
    """Colour images, one per key: pixels (3, H, W) in [0, 1]; enlarged, a pixel stays a square."""
    rows = -(-len(panels) // columns)
    figure, axes = _grid(rows, columns, rows * (WIDTH / columns + 0.15))
    for axis, (title, image) in zip(axes.flat, panels.items(), strict=False):
        axis.imshow(image.permute(1, 2, 0).cpu(), interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
        axis.grid(False)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    return figure, alt


@styled
def beside_paper(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Our means with their intervals and the paper's values, a row per method, a panel per key; logarithmic.

    Each frame has an index of methods and `value`, `low`, `high`, `paper`.
    """
    figure, axes = _grid(-(-len(panels) // 2), 2, 0.4 + 1.6 * -(-len(panels) // 2))
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=False):
        for row, r in enumerate(frame.itertuples()):
            axis.plot(r.paper, row - 0.2, "D", color=PAPER, markerfacecolor="white", markersize=4)
            error = [[r.value - r.low], [r.high - r.value]]
            axis.errorbar(
                r.value, row + 0.15, xerr=error, color=COLOURS[r.Index], marker=MARKERS[r.Index], markersize=4
            )
            told.append(f"{title}, {r.Index}: {r.value:.3g}, paper {r.paper:.3g}.")
        axis.set(xscale="log", title=title, yticks=range(len(frame)), yticklabels=frame.index)
        axis.set_ylim(len(frame) - 0.5, -0.5)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.label_outer()
        axis.tick_params(labelbottom=True)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    return figure, "Our means in colour beside the paper's values as grey diamonds. " + " ".join(told)


@styled
def duality(place: np.ndarray, loss: np.ndarray, plan: np.ndarray, curve: pd.Series) -> tuple[Figure, str]:
    """Left, where a plan (n, m) moves the data on a line of m places and their losses; right, the dual against lambda.

    `curve` holds the dual's values by lambda.
    """
    figure, axes = _grid(1, 2, 2.6)
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
def swept(panels: Mapping[str, pd.DataFrame], xlabel: str) -> tuple[Figure, str]:
    """Positive numbers against a weight from 0 over decades, one panel per key, a line per method with its intervals.

    Each frame has `method`, `x`, `value`, `low`, `high`. Zero stands left of the smallest weight.
    """
    rows = -(-len(panels) // 2)
    figure, axes = _grid(rows, 2, 0.6 + 1.7 * rows)
    told = []
    for axis, (title, frame) in zip(axes.flat, panels.items(), strict=False):
        for method, line in frame.groupby("method", sort=False):
            error = [line["value"] - line["low"], line["high"] - line["value"]]
            style = {"color": COLOURS[method], "marker": MARKERS[method], "markersize": 5, "lw": 1}
            axis.errorbar(line["x"], line["value"], error, label=method, **style)
            values = ", ".join(f"{v:.3g} at {x:g}" for x, v in zip(line["x"], line["value"], strict=True))
            told.append(f"{title}, {method}: {values}.")
        axis.set_xscale("symlog", linthresh=frame.loc[frame["x"] > 0, "x"].min(), linscale=0.5)
        axis.set(title=title, xlabel=xlabel, yscale="log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure, f"Against {xlabel}. " + " ".join(told)


DOLLARS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)


@styled
def wealth(panels: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], label: int = 2) -> tuple[Figure, str]:
    """Accuracy of each country against its GDP per head, a panel per key: the second paper's figure 5a.

    A panel is a country table (`fairlib.fairness.country_table`, which may have a `name`) and a line with its band
    (`fairness.band`). The colour of a dot says how many images its country has; the `label` farthest from the line, and
    the one with the most images, bear their names.
    """
    figure, axes = _grid(len(panels), 1, 0.3 + 2.4 * len(panels))
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


TESTED = {  # lines of `rejections`, by method of fairlib.fairness
    "gls": {"color": COLOURS["defenseless"], "marker": "o"},
    "wls": {"color": COLOURS["defended"], "marker": "s", "ls": "--"},
    "ols": {"color": COLOURS["loose"], "marker": "^", "ls": ":"},
    "hc3": {"color": "#009E73", "marker": "D", "ls": "-.", "markerfacecolor": "white"},
    "meta": {"color": "black", "marker": "v", "ls": "--", "markerfacecolor": "white"},
}
TOLD = {
    "gls": "GLS, 1/sqrt(n) (paper)", "wls": "weights n", "ols": "equal weights", "hc3": "GLS with HC3",
    "meta": "meta-regression",
}  # fmt: skip


@styled
def rejections(panels: Mapping[tuple[str, str], pd.DataFrame], *, mark: float | None = None) -> tuple[Figure, str]:
    """How often tests reject, one panel per key (title, name of the x axis), a line per method, with 95 % bands.

    Each frame has `x`, `method` (a key of `TESTED`), `share`, `low`, `high`. A dotted line across is at the level
    0.05; `mark`: one upright, at that x.
    """
    figure, axes = _grid(1, len(panels), 2.9)
    told = []
    for axis, ((title, x), frame) in zip(axes.flat, panels.items(), strict=True):
        for method, line in frame.groupby("method", sort=False):
            style = {"markersize": 3.5, "lw": 1.2} | TESTED[method]
            axis.plot(line["x"], line["share"], label=TOLD[method], **style)
            axis.fill_between(line["x"], line["low"], line["high"], color=style["color"], alpha=0.15, lw=0)
            ends = [f"{row.share:.2f} at {row.x:g}" for row in line.iloc[[0, -1]].itertuples()]
            told.append(f"{title}, {TOLD[method]}: {', '.join(ends)}.")
        axis.axhline(0.05, color="black", ls=":", lw=1)
        if mark is not None:
            axis.axvline(mark, color="black", ls=":", lw=1)
        axis.set(title=title, xlabel=x, ylabel="share of worlds rejected", ylim=(0, None))
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure, "Shares of simulated worlds in which a test rejects. " + " ".join(told)


@styled
def perception() -> tuple[Figure, str]:
    """What machines and humans perceive, before and after training on the worst case: the second paper's figure 1a."""
    figure, axes = _grid(1, 2, 2.1)
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
    """The weights P (M,) of D_rob in order, and under them the share of the sampling law on each part (T1 + 1,)."""
    figure, axes = _grid(1, 1, 2.2)
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

    `frame` has `scaling` (a key of `SCALED`), `alpha`, `runs`, `finite`, and `mean`, `lowest`, `highest` accuracy.
    """
    figure, axes = _grid(1, 2, 2.7)
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
    """Boxes of slopes, a panel per key and a row per arm (a key of `ARMS`): the second paper's figure 5b.

    `start`: the slope of the model that every arm starts from, a dashed line.
    """
    figure, axes = _grid(1, len(panels), 2.6)
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


@styled
def arm_changes(frame: pd.DataFrame) -> tuple[Figure, str]:
    """Change of accuracy with its interval: a row per `group`, a marker per `arm` (keys of `ARMS`), a line at zero.

    `frame` has `group`, `arm`, `value`, `low`, `high`; both stand in the order in which they come.
    """
    groups, arms = list(frame["group"].unique()), list(frame["arm"].unique())
    figure, axes = _grid(1, 1, 0.8 + 0.1 * (1 + len(arms)) * len(groups))
    axis = axes[0, 0]
    for i, (arm, marker) in enumerate(zip(arms, "oDsv^P", strict=False)):
        points = frame[frame["arm"] == arm]
        rows = points["group"].map(groups.index) + (i - (len(arms) - 1) / 2) / (1 + len(arms))
        error = [points["value"] - points["low"], points["high"] - points["value"]]
        name, colour = ARMS[arm]
        axis.errorbar(points["value"], rows, xerr=error, label=name, fmt=marker, color=colour, markersize=3.5, lw=1)
    axis.axvline(0, color="black", lw=1)
    axis.set(yticks=range(len(groups)), yticklabels=groups, ylim=(len(groups) - 0.5, -0.5), xlabel="change of accuracy")
    figure.legend(loc="outside lower center", ncols=2)
    told = (
        f"{group}: {', '.join(f'{ARMS[p.arm][0]} {p.value:+.2f}' for p in rows.itertuples())}."
        for group, rows in frame.groupby("group", sort=False)
    )
    return figure, "Change of accuracy by group of images. " + " ".join(told)
