"""Figures that show images, and how the layers vote on one."""

from collections.abc import Mapping, Sequence

import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from fairlib.book.plots.style import WIDTH, grid, styled, without_empty


@styled
def images(rows: Mapping[str, Tensor], names: Sequence[str], alt: str, *, side: float = 0.5) -> tuple[Figure, str]:
    """Rows of grey images.

    Parameters
    ----------
    rows : mapping of str to torch.Tensor
        By its label a row of pixels (n, 1, H, W) in [0, 1].
    names : sequence of str
        The heads of the n columns.
    alt : str
        What they show.
    side : float
        Inches that an image is high.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(len(rows), len(names), 0.5 + side * len(rows))
    for axis_row, (label, pixels) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(axis_row, pixels, strict=True):
            axis.imshow(image[0].cpu(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
        axis_row[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, rotation=30, ha="left", x=0.1)
    return figure, alt


@styled
def photographs(panels: Mapping[str, Tensor], alt: str, *, columns: int = 4) -> tuple[Figure, str]:
    """Colour images; enlarged, a pixel stays a square.

    Parameters
    ----------
    panels : mapping of str to torch.Tensor
        Pixels (3, H, W) in [0, 1], by title.
    alt : str
        What they show.
    columns : int
        Images side by side.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    rows = -(-len(panels) // columns)
    figure, axes = grid(rows, columns, rows * (WIDTH / columns + 0.15))
    for axis, (title, image) in zip(axes.flat, panels.items(), strict=False):
        axis.imshow(image.permute(1, 2, 0).cpu(), interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
        axis.grid(False)
    without_empty(axes, len(panels))
    return figure, alt


@styled
def votes(
    panels: Mapping[str, Tensor], alpha: Tensor, taps: Sequence[str], classes: Sequence[str]
) -> tuple[Figure, str]:
    """Distances of one image to each centroid at each tap, one panel per key; a vote is a framed cell.

    Parameters
    ----------
    panels : mapping of str to torch.Tensor
        Distances (L, K), by title.
    alpha : torch.Tensor
        Thresholds (K,): up to there a distance is a vote.
    taps, classes : sequence of str
        The names of the L rows and of the K columns.

    Returns
    -------
    tuple of matplotlib.figure.Figure and str
        The figure, and the text for those who don't see it.
    """
    figure, axes = grid(len(panels), 1, len(panels) * (0.5 + 0.2 * len(taps)))
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
