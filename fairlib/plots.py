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
from matplotlib.patches import Rectangle
from torch import Tensor

from fairlib.evaluation import sampling_range

PAPER = "#767676"
COLOURS = {
    "defenseless": "#0072B2",
    "defended": "#D55E00",
    "loose": "#E69F00",
}
MARKERS = {"defenseless": "o", "defended": "s", "loose": "^"}
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
def images(rows: Mapping[str, Tensor], names: Sequence[str], alt: str) -> tuple[Figure, str]:
    """Rows of grey images: each key of `rows` labels (n, 1, H, W) pixels in [0, 1]; `names` heads the n columns."""
    figure, axes = _grid(len(rows), len(names), 0.5 + 0.5 * len(rows))
    for axis_row, (label, pixels) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(axis_row, pixels, strict=True):
            axis.imshow(image[0], cmap="gray", vmin=0, vmax=1)
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

    Each frame has `eps`, `method`, `accuracy`, `low`, `high`; a published one has `eps`, `method`, `accuracy`, `n`, drawn with the
    range that sampling n images allows around it.
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
        fair = distance <= alpha
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
